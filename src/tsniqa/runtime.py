"""Keep freed memory for the next batch instead of giving it back to the system.

A forward pass on the CPU allocates and frees the same large blocks again and again. By default the
GNU C library maps and unmaps each of them, and the system clears every page anew; kept in the
process, MobileNetV2 ran more than twice as many images a second on one core (timed by hand).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # M_* constants of malloc.h


def keep_freed_memory() -> bool:
    """Tell the allocator of this process to keep what it frees.

    Returns:
        True if the C library took the settings; False where it is not GNU's, which is harmless.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return False
    settings = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * 2**20, _MMAP_MAX: 0}
    return all(library.mallopt(option, value) for option, value in settings.items())
