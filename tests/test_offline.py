"""Nothing is sent anywhere: a run and its report in a process in which every connection is refused and counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from runs import TINY, write_data

_DENIED = """
import socket, sys
tried = []
def refuse(self, address, *more):
    if self.family != socket.AF_UNIX:
        tried.append(address)
        raise OSError(101, "no network in this test")
socket.socket.connect = socket.socket.connect_ex = refuse
def unknown(*words, **more):
    tried.append(words)
    raise socket.gaierror("no names in this test")
socket.getaddrinfo = socket.gethostbyname = unknown
from workbench.pipeline import run_config
from workbench.reporting import build_report
made = run_config(sys.argv[1], tuple(sys.argv[2:]), device="cpu")
build_report(made)
print("tried", tried)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "values"])
def test_a_run_and_its_report_open_no_connection(kind: str, tmp_path: Path) -> None:
    config = write_data(kind, tmp_path)
    words = [sys.executable, "-c", _DENIED, str(config), *TINY, f"out={str(tmp_path / 'out')!r}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "tried []"
