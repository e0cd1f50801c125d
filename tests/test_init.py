"""What importing the package does to its process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_SHOW = "import workbench, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"


@pytest.mark.parametrize(("set_before", "found"), [(None, "PASSIVE"), ("active", "active")])
def test_threads_wait_passively_unless_asked_otherwise(set_before: str | None, found: str) -> None:
    around = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    around |= {} if set_before is None else {"OMP_WAIT_POLICY": set_before}
    done = subprocess.run([sys.executable, "-c", _SHOW], env=around, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [found, "False"]
