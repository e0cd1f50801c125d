"""Nothing is sent anywhere: a run and its report in a process in which every connection is refused and counted."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from offline import no_network
from runs import TINY, write_data

_DENIED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from offline import no_network
with no_network() as tried:
    from workbench.pipeline import run_config
    from workbench.reporting import build_report
    build_report(run_config(sys.argv[1], tuple(sys.argv[2:]), device="cpu"))
print("tried", tried)
"""


def test_whatever_is_tried_is_counted() -> None:
    with no_network() as tried:
        with pytest.raises(OSError, match="no network"), socket.socket() as open_one:
            open_one.connect(("192.0.2.1", 80))
        with pytest.raises(OSError, match="no names"):
            urllib.request.urlopen("http://example.invalid/")
    assert len(tried) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "values"])
def test_a_run_and_its_report_open_no_connection(kind: str, tmp_path: Path) -> None:
    config = write_data(kind, tmp_path)
    words = [
        sys.executable,
        "-c",
        _DENIED,
        str(Path(__file__).parent),
        str(config),
        *TINY,
        f"out={str(tmp_path / 'out')!r}",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "tried []"
