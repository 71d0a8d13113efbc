"""The running process: cores, threads, devices, and memory that is kept for the next batch."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_info, threadpool_limits

from tsniqa.errors import ConfigError


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_device(name: str) -> str:
    """Choose a device, ``"auto"`` a GPU where there is one; raise a ConfigError if it is absent."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()  # which the device "meta" cannot say
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"no device '{name}' here; use auto, cpu or cuda") from error
    return name


def instruction_sets() -> str:
    """Name the kernels that this process computes with: the last bits of results depend on them.

    For instance ``"BLAS SkylakeX, torch AVX512"``: what NumPy's and SciPy's BLAS chose for this
    processor and what torch did; and the limit that the environment sets oneDNN, if it does.
    """
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    chosen = sorted({pool.get("architecture", pool["internal_api"]) for pool in blas})
    names = [f"BLAS {' and '.join(chosen)}"] if chosen else []
    names.append(f"torch {torch.backends.cpu.get_cpu_capability()}")
    if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):
        names.append(f"oneDNN at most {limit}")
    return ", ".join(names)


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Fix what the last bits depend on: the number of CPU threads and the choice of kernels.

    On a GPU, torch warns of an operation that has no deterministic kernel.
    """
    keep_freed_memory()
    kernels, memory = torch.backends.cudnn, torch.utils.deterministic
    before = torch.get_num_threads(), kernels.deterministic, kernels.benchmark
    strict = torch.get_deterministic_debug_mode()
    filling = memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    kernels.deterministic, kernels.benchmark = True, False
    if torch.cuda.is_available():  # a CPU's are, within the limits of schedules
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # sums in one order
        torch.set_deterministic_debug_mode("warn")
        memory.fill_uninitialized_memory = False  # nothing reads it, so it need not be cleared
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before[0])
        kernels.deterministic, kernels.benchmark = before[1:]
        torch.set_deterministic_debug_mode(strict)
        memory.fill_uninitialized_memory = filling


def keep_freed_memory() -> bool:
    """Tell the allocator of this process to keep what it frees for the next batch.

    A forward pass on the CPU allocates and frees the same large blocks again and again. By default
    the GNU C library maps and unmaps each of them, and the system clears every page anew; kept in
    the process, MobileNetV2 ran more than twice as many images a second on one core. False tells
    that the C library is not GNU's, which is harmless.
    """
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return False
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # M_* constants of malloc.h
    settings = {trim_threshold: 2**31 - 1, top_pad: 64 * 2**20, mmap_max: 0}
    return all(library.mallopt(option, value) for option, value in settings.items())
