"""Decoded images on disk: whole files only, one limit for all processes, nothing decoded twice."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tsniqa.data import cache as decoded
from tsniqa.data.cache import DecodedCache, decode_each, decode_tasks, limit_from_environment
from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, DataError
from tsniqa.paths import file_digest
from tsniqa.pixels import decode, shrink

PIXELS = 3 * 20 * 30
FILE = PIXELS + 128


def write_images(folder: Path, number: int, size=(30, 20)) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i in range(number):
        random = np.random.default_rng(i)
        pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        paths.append(folder / f"{i:03d}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture
def paths(tmp_path):
    return write_images(tmp_path / "images", 6)


@pytest.fixture
def counted(monkeypatch):
    """Count the calls of decode."""
    names = []

    def counting(path, root=None):
        names.append(path.name)
        return decode(path, root)

    monkeypatch.setattr(decoded, "decode", counting)
    return names


def stored(cache: DecodedCache) -> list[Path]:
    return sorted(cache.folder.glob("*/*.npy"))


class TestLoading:
    def test_gives_the_decoded_image_the_first_time_and_from_the_disk_the_second(
        self, tmp_path, paths, counted
    ):
        cache = DecodedCache(tmp_path / "cache", 10)
        first = cache.load(paths[0])
        second = DecodedCache(tmp_path / "cache", 10).load(paths[0])
        expected = shrink(torch.from_numpy(decode(paths[0])).permute(2, 0, 1), 10)
        assert torch.equal(first, expected)
        assert torch.equal(second, expected)
        assert second.dtype == torch.uint8
        assert second.is_contiguous()
        assert counted == ["000.png"]

    def test_what_is_written_to_an_image_never_reaches_the_disk(self, tmp_path, paths):
        cache = DecodedCache(tmp_path / "cache", None)
        original = cache.load(paths[0]).clone()
        cache.load(paths[0]).zero_()
        assert torch.equal(cache.load(paths[0]), original)

    def test_a_changed_file_is_decoded_anew(self, tmp_path, paths):
        cache = DecodedCache(tmp_path / "cache", None)
        before = cache.load(paths[0]).clone()
        paths[0].write_bytes(paths[1].read_bytes())
        os.utime(paths[0], ns=(1, 1))
        assert not torch.equal(cache.load(paths[0]), before)

    @pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array at all"])
    def test_a_damaged_entry_is_replaced(self, tmp_path, paths, content):
        cache = DecodedCache(tmp_path / "cache", None)
        expected = cache.load(paths[0]).clone()
        cache.path(paths[0]).write_bytes(content)
        assert torch.equal(cache.load(paths[0]), expected)
        assert torch.equal(DecodedCache(tmp_path / "cache", None).load(paths[0]), expected)

    def test_a_missing_image_and_one_outside_the_root_are_refused(self, tmp_path, paths):
        cache = DecodedCache(tmp_path / "cache", None)
        with pytest.raises(DataError, match=r"none\.png is missing; restore the file"):
            cache.load(tmp_path / "none.png")
        cache.load(paths[0])
        for path in paths[:2]:  # stored or not
            with pytest.raises(DataError, match="lies outside"):
                cache.load(path, tmp_path / "elsewhere")

    def test_an_image_set_reads_from_it_and_keeps_nothing(self, tmp_path, paths, counted):
        cache = DecodedCache(tmp_path / "cache", None)
        images = ImageSet(paths, None, cache=cache)
        plain = ImageSet(paths, None)
        for _ in range(2):
            assert all(torch.equal(images[i], plain[i]) for i in range(6))
        assert len(counted) == 6
        assert images._decoded == {}


class TestLimit:
    def test_is_never_exceeded_and_what_lies_beyond_is_decoded_again(
        self, tmp_path, paths, counted, caplog
    ):
        cache = DecodedCache(tmp_path / "cache", None, limit=2 * FILE)
        with caplog.at_level(logging.WARNING, "tsniqa"):
            for path in [*paths, *paths]:
                cache.load(path)
        assert len(stored(cache)) == 2
        assert sum(path.stat().st_size for path in stored(cache)) == 2 * FILE
        assert [counted.count(path.name) for path in paths] == [1, 1, 2, 2, 2, 2]
        assert len(caplog.records) == 1
        assert "is full (0.0 GB); further images are decoded at every use" in caplog.text

    def test_leaves_room_on_the_disk(self, tmp_path, paths, monkeypatch):
        free = SimpleNamespace(free=decoded.DISK_RESERVE + FILE - 1)
        monkeypatch.setattr(decoded.shutil, "disk_usage", lambda folder: free)
        cache = DecodedCache(tmp_path / "cache", None)
        cache.load(paths[0])
        assert stored(cache) == []

    def test_a_disk_that_fills_up_while_writing_costs_nothing_but_the_cache(
        self, tmp_path, paths, monkeypatch, caplog
    ):
        def full(file, pixels):
            file.write(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(decoded.np, "save", full)
        cache = DecodedCache(tmp_path / "cache", None)
        images = [cache.load(path) for path in paths]
        assert torch.equal(images[0], torch.from_numpy(decode(paths[0])).permute(2, 0, 1))
        assert not [*cache.folder.glob("*/*.npy"), *cache.folder.glob("*/*.partial")]
        assert caplog.text.count("cannot be written ([Errno 28] No space left on device)") == 1

    def test_half_written_files_of_a_killed_process_are_removed(self, tmp_path, paths):
        cache = DecodedCache(tmp_path / "cache", None)
        cache.load(paths[0])
        leftover = stored(cache)[0].with_suffix(".partial")
        leftover.write_bytes(b"half")
        DecodedCache(tmp_path / "cache", None).load(paths[1])
        assert not leftover.exists()
        assert len(stored(cache)) == 2

    @pytest.mark.parametrize(("text", "expected"), [("1.5", 1_500_000_000), ("0", 0)])
    def test_comes_from_the_environment(self, monkeypatch, text, expected):
        monkeypatch.setenv(decoded.LIMIT_VARIABLE, text)
        assert limit_from_environment() == expected

    @pytest.mark.parametrize("text", ["-1", "much", "inf", "nan"])
    def test_a_limit_that_is_no_number_is_refused(self, monkeypatch, text):
        monkeypatch.setenv(decoded.LIMIT_VARIABLE, text)
        with pytest.raises(ConfigError, match=f"TSNIQA_DECODED_GB is '{text}'; give gigabytes"):
            limit_from_environment()


FILL = """
import sys
from pathlib import Path
from tsniqa.data.cache import DecodedCache
folder, limit, *paths = sys.argv[1:]
cache = DecodedCache(Path(folder), None, limit=int(limit))
print("ready", flush=True)
sys.stdin.readline()
for path in paths:
    cache.load(Path(path))
"""


@pytest.mark.parametrize("limit", [1000 * FILE, 7 * FILE])
def test_two_processes_share_a_folder_within_its_limit(tmp_path, limit):
    paths = write_images(tmp_path / "images", 24)
    command = [sys.executable, "-c", FILL, str(tmp_path / "cache"), str(limit)]
    workers = [
        subprocess.Popen(
            [*command, *map(str, order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for order in (paths, paths[::-1])
    ]
    assert [worker.stdout.readline() for worker in workers] == [b"ready\n"] * 2
    for worker in workers:  # both begin once both have loaded their libraries
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0, 0]
    cache = DecodedCache(tmp_path / "cache", None, limit=limit)
    assert len(stored(cache)) == min(24, limit // FILE)
    assert not list(cache.folder.glob("*/*.partial"))
    for path in paths:
        assert torch.equal(cache.load(path), torch.from_numpy(decode(path)).permute(2, 0, 1))


class TestDecodingTasks:
    def test_decodes_what_is_missing_and_says_how_many(self, world, tmp_path, counted):
        task = world.task("alpha")
        cache = DecodedCache(tmp_path / "cache", None)
        cache.load(task.paths("train")[0])
        assert decode_tasks([task], cache) == len(task.table) - 1
        assert decode_tasks([task], cache) == 0
        assert len(counted) == len(task.table)

    def test_leaves_out_tasks_that_are_made_here(self, world, tmp_path):
        from dataclasses import replace

        task = replace(world.task("alpha"), recipe="recipe 1, seed 0")
        assert decode_tasks([task], DecodedCache(tmp_path / "cache", None)) == 0

    def test_names_the_first_broken_image_and_counts_the_others(self, dataset, tmp_path):
        from tsniqa.data import load_task

        folder = dataset(tmp_path / "data" / "mine", simulated=False)
        for number in (3, 5, 9):
            (folder / "images" / f"{number:03d}.png").write_bytes(b"broken")
        cache = DecodedCache(tmp_path / "cache", None)
        with pytest.raises(DataError) as error:
            decode_tasks([load_task("mine", tmp_path / "data", 0)], cache)
        assert "003.png is not an image" in str(error.value)
        assert "(and 2 more images); tsniqa data check lists them all" in str(error.value)
        assert len(stored(cache)) == 29

    def test_uses_several_threads(self):
        from threading import Barrier

        together = Barrier(3, timeout=10)  # passed only by three threads at once
        problems = decode_each([Path(str(i)) for i in range(6)], lambda path: together.wait(), 3)
        assert problems == {}

    def test_an_interruption_keeps_what_was_stored_and_the_next_call_continues(
        self, world, tmp_path, monkeypatch, counted
    ):
        task = world.task("beta")
        cache = DecodedCache(tmp_path / "cache", None)
        original = cache.load

        def interrupted(image, root=None):
            if len(counted) == 10:
                raise KeyboardInterrupt
            return original(image, root)

        monkeypatch.setattr(cache, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            decode_tasks([task], cache, workers=1)
        monkeypatch.setattr(cache, "load", original)
        assert len(stored(cache)) == 10
        assert decode_tasks([task], cache) == len(task.table) - 10
        assert len(counted) == len(task.table)


def test_a_digest_follows_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = file_digest(path)
    path.write_bytes(b"three")
    assert file_digest(path) != first
    with pytest.raises(OSError):
        file_digest(tmp_path / "b")
