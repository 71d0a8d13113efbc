"""Seeds depend on what they are for, and on nothing else."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.seeds import derive_seed, generator


def test_seed_is_the_head_of_a_sha256_over_its_parts():
    digest = hashlib.sha256(b"3\x1fmini-live\x1fhead").hexdigest()
    assert derive_seed(3, "mini-live", "head") == int(digest[:8], 16) & 0x7FFFFFFF


@given(st.integers(0, 2**31), st.lists(st.text(), max_size=3))
def test_seed_is_a_repeatable_non_negative_31_bit_integer(seed, names):
    assert derive_seed(seed, *names) == derive_seed(seed, *names)
    assert 0 <= derive_seed(seed, *names) < 2**31


def test_seeds_differ_by_run_by_name_and_by_where_names_end():
    seeds = [
        derive_seed(0, "ab", "c"),
        derive_seed(0, "a", "bc"),
        derive_seed(0, "abc"),
        derive_seed(1, "ab", "c"),
        derive_seed(0, "c", "ab"),
    ]
    assert len(set(seeds)) == len(seeds)


def test_generators_of_one_name_agree_and_ignore_the_global_stream():
    np.random.seed(0)
    first = generator(5, "task").integers(0, 1000, 8)
    np.random.seed(1)
    second = generator(5, "task").integers(0, 1000, 8)
    assert (first == second).all()
    assert (first != generator(5, "other").integers(0, 1000, 8)).any()
