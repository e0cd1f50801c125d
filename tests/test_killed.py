"""Nothing is lost: killed at any moment, out of space, on a disk that takes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import TINY, config_of, contents, copy_of, made, write_data
from test_bad_input import call, refused

from workbench.run import Run

KILLS = 60
PROGRAM = Path(__file__).with_name("killed.py")
QUICK = [part for key in TINY for part in ("--set", key)]


@pytest.mark.slow
def test_sixty_kills_change_no_byte(tmp_path: Path) -> None:
    """SIGKILL at moments drawn within every stage; the same command ends with the artefacts of an undisturbed run."""
    config = write_data("values", tmp_path)
    command = [sys.executable, str(PROGRAM), str(config), str(tmp_path / "out"), str(KILLS), "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROGRAM.parent, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["different"] == []
    assert sum(found["killed"].values()) >= KILLS
    assert len(found["killed"]) >= 10, found  # stages of milliseconds may end before the signal comes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k,nr_inodes=400", "tmpfs", str(place)]
    if os.name != "posix" or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here; a limit on file sizes stands in for it in test_bad_input.py")
    yield place
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], capture_output=True, check=True)


@pytest.mark.slow
def test_a_full_disk_and_then_a_larger_one(small_disk: Path) -> None:
    words = ["run", config_of("values"), "--device", "cpu", "-q", "--set", f"out={str(small_disk)!r}", *QUICK]
    refused(call(*words), 6, "cannot write", str(small_disk), "free some space")
    run = Run.open(small_disk / "values")
    before = contents(run)
    done = list(run.manifest["stages"])
    assert "prepare" in done and "report" not in done
    assert not [n for n in run.verify() if n.endswith(("is missing", "has changed"))]
    remount(small_disk, "size=32m")
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    after = contents(run)
    assert run.verify() == [] and after == contents(made("values"))
    assert {n: after.get(n) for stage in done for n in run.manifest["stages"][stage]["outputs"] if n in before} == {
        n: before[n] for stage in done for n in run.manifest["stages"][stage]["outputs"] if n in before
    }


def test_a_disk_that_became_read_only(tmp_path: Path, small_disk: Path) -> None:
    remount(small_disk, "size=32m")
    shutil.copytree(made("values").path, small_disk / "values")
    run = Run.open(small_disk / "values")
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    remount(small_disk, "ro")
    try:
        words = ["run", config_of("values"), "--device", "cpu", "-q", "--set", f"out={str(small_disk)!r}", *QUICK]
        refused(call(*words), 6, "cannot write", "Read-only", str(small_disk))
        refused(call("report", run.path, "-q"), 6, "cannot write", "Read-only")
        assert call("verify", run.path).exit_code == 0
    finally:
        remount(small_disk, "rw")
    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before


def test_the_second_of_two_commands_is_told_who_holds_the_run(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    hold = f"import sys, time\nfrom workbench.run import Run\nwith Run.open({str(run.path)!r}).lock():\n    print('held', flush=True)\n    time.sleep(60)"  # noqa: E501
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            before = contents(run)
            words = ["run", config_of("values"), "--device", "cpu", "-q", "--set", f"out={str(tmp_path)!r}", *QUICK]
            for command in (words, ["report", run.path, "-q"], ["evaluate", run.path, "-q"]):
                refused(call(*command), 6, f"in use by process {holder.pid}", "wait for it")
            assert contents(run) == before
        finally:
            holder.kill()
    assert call("report", run.path, "-q").exit_code == 0  # whoever was killed holds nothing
