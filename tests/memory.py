"""The memory of this process at its peak.

`ru_maxrss` is no measure of it: a program that another one starts begins with what that one held when it forked.
"""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes() -> int:
    """Most memory held since the process began or since `forget_peak`; by `ru_maxrss` where there is no /proc."""
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text()) if _STATUS.exists() else None
    if found:
        return 1024 * int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> int:
    """Let the peak begin anew at what is held now, where the machine allows it, and return it in bytes."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")
    return peak_bytes()
