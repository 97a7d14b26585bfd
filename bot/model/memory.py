"""Memory of this process, in bytes."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path


def resident_bytes() -> int:
    """Resident now, where the system tells (Linux), else the peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak_bytes()


def peak_bytes() -> int:
    """The most that was ever resident; 0 where that takes another library to know."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def give_back() -> None:
    """Return to the system what was freed: glibc keeps hundreds of megabytes when weights were packed or dropped."""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
