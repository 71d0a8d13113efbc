"""Keeping freed memory: harmless wherever it runs; and the names of what computes."""

import ctypes
import os
import subprocess
import sys

import pytest
import torch

from tsniqa import runtime as allocator

PROGRAM = """
import numpy as np
from tsniqa.runtime import keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 // 2**20

kept = {keep} and keep_freed_memory()
before = resident()
np.ones(2**24)  # 128 MiB, freed at once
print(int(kept), resident() - before)
"""


def run(keep):
    command = [sys.executable, "-c", PROGRAM.format(keep=keep)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(word) for word in result.stdout.split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="settings of the GNU C library")
def test_freed_pages_stay_in_the_process():
    kept, resident = run(keep=True)
    if not kept:
        pytest.skip("the C library of this system is not GNU's")
    assert resident > 100
    assert run(keep=False)[1] < 20


def test_a_system_without_the_gnu_library_is_left_alone(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert allocator.keep_freed_memory() is False


def test_the_instruction_sets_in_use_are_named_with_the_limit_of_the_environment(monkeypatch):
    pools = [
        {"user_api": "blas", "internal_api": "openblas", "architecture": "Haswell"},
        {"user_api": "blas", "internal_api": "openblas", "architecture": "Haswell"},
        {"user_api": "openmp", "internal_api": "openmp"},
        {"user_api": "blas", "internal_api": "mkl"},
    ]
    monkeypatch.setattr(allocator, "threadpool_info", lambda: pools)
    monkeypatch.setattr(allocator.torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert allocator.instruction_sets() == "BLAS Haswell and mkl, torch AVX2"
    monkeypatch.setattr(allocator, "threadpool_info", lambda: [])
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert allocator.instruction_sets() == "torch AVX2, oneDNN at most SSE41"


def test_kernels_are_deterministic_inside_and_as_before_outside(monkeypatch):
    monkeypatch.setattr(allocator.torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)

    def state():
        kernels, threads = torch.backends.cudnn, torch.get_num_threads()
        modes = kernels.deterministic, kernels.benchmark, torch.get_deterministic_debug_mode()
        return threads, *modes, torch.utils.deterministic.fill_uninitialized_memory

    before = state()
    with allocator.reproducible(2):
        assert state() == (2, True, False, 1, False)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert state() == before
