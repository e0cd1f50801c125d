"""What a person sees of work in progress: on stderr, in lines where it is no terminal, nothing when quiet."""

from __future__ import annotations

import io
import re

import pytest

from workbench.engines import progress
from workbench.engines.progress import Progress


def test_lines_tell_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 4.0, 12.0, 15.0, 30.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress().task("predicting", 100) as task:
        task.advance(10)  # 4 s: too soon for a line
        task.advance(14, "loss 0.5")  # 12 s
        task.advance(6)  # 15 s: 3 s after the last line
        task.advance(30)  # 30 s
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "  predicting: 24 of 100, 2.0/s, 38 s left, loss 0.5",
        "  predicting: 60 of 100, 2.0/s, 20 s left",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Progress(quiet=True)
    quiet.say("hello")
    with quiet.task("x", 3) as task:
        task.advance(3, "note")
    assert capsys.readouterr() == ("", "")


def test_what_is_said_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Progress().task("predicting", 8) as task:
        for _ in range(8):
            task.advance(1, "loss 0.25")
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "predicting" in seen
    assert "8/8" in seen
    assert "loss 0.25" in seen
    assert "/s" in seen
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")  # the line is cleared
