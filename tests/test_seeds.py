"""Seeds depend on what they are for, and on nothing else."""

import hashlib

import numpy as np

from tsniqa.seeds import derive_seed, generator


def test_seed_is_the_head_of_a_sha256_over_its_parts():
    digest = hashlib.sha256(b"3\x1fmini-live\x1fhead").hexdigest()
    assert derive_seed(3, "mini-live", "head") == int(digest[:8], 16) & 0x7FFFFFFF


def test_seeds_differ_by_run_by_name_and_by_where_names_end():
    purposes = [(0, "ab", "c"), (0, "a", "bc"), (0, "abc"), (1, "ab", "c"), (0, "c", "ab")]
    assert len({derive_seed(*purpose) for purpose in purposes}) == len(purposes)


def test_generators_of_one_name_agree_and_ignore_the_global_stream():
    np.random.seed(0)
    first = generator(5, "task").integers(0, 1000, 8)
    np.random.seed(1)
    second = generator(5, "task").integers(0, 1000, 8)
    assert (first == second).all()
    assert (first != generator(5, "other").integers(0, 1000, 8)).any()
