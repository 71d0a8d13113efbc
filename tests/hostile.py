"""What no input from a stranger may do, whatever else happens: hang, or fill the memory."""

import resource
import time
from contextlib import contextmanager

SECONDS, MEGABYTES = 10, 2_000


@contextmanager
def bounded():
    """Fail if what is done within takes longer, or as much more memory than was ever taken."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:  # whether it is refused or not
        assert time.monotonic() - start < SECONDS
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown / 1000 < MEGABYTES
