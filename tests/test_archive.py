"""A run as one file: the same bytes each time, and nothing from a stranger's archive gets out of its folder."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from test_sealing import made

from workbench.archive import pack, unpack
from workbench.errors import ArtefactError, GateFailed, StageError, UsageError, WorkbenchError
from workbench.run import Run


def tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_the_same_run_gives_the_same_bytes_and_comes_back_as_it_was(tmp_path: Path) -> None:
    run, twin = made(tmp_path / "a" / "r"), made(tmp_path / "b" / "r")
    twin.write_manifest(run.manifest)
    os.utime(twin.path / "x.json", (1, 1))
    (twin.path / "x.json").chmod(0o600)
    first, second = pack(run), pack(twin, tmp_path / "again.gz")
    assert first.name == "r.workbench.tar.gz" and first.read_bytes() == second.read_bytes()
    back = unpack(first, tmp_path / "back")
    assert back.verify() == []
    for name in [*run.files(), "manifest.json"]:
        assert (back.path / name).read_bytes() == (run.path / name).read_bytes()
    assert unpack(second).path == tmp_path / "again.gz.run"
    assert Run.open(tmp_path / "again.gz.run").manifest == run.manifest


def test_pages_of_single_predictions_and_hidden_files_stay_out(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    run.write_bytes("inspect/1/page.html", b"private")
    (run.path / ".lock").write_text("1")
    back = unpack(pack(run), tmp_path / "back")
    assert back.files() == ["d/y", "x.json"]


def test_what_is_damaged_or_there_already_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    path = pack(run)
    with pytest.raises(UsageError, match="is there already"):
        pack(run)
    with pytest.raises(UsageError, match="lies inside the run"):
        pack(run, run.path / "out.gz")
    with pytest.raises(UsageError, match="is there already"):
        unpack(path)
    (run.path / "d" / "y").write_bytes(b"other")
    with pytest.raises(GateFailed, match="d/y has changed"):
        pack(run, tmp_path / "new.gz")
    assert not (tmp_path / "new.gz").exists()
    with pytest.raises(StageError, match="cannot write"):
        pack(made(tmp_path / "s"), Path("/dev/null/below/x.gz"))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (entry("../out"), "leads out"),
        (entry("a/../../out"), "leads out"),
        (entry("/tmp/workbench-out"), "leads out"),
        (entry("C:\\out"), "leads out"),
        (entry("a", tarfile.SYMTYPE, "/etc/passwd"), "not a regular file"),
        (entry("a", tarfile.LNKTYPE, "manifest.json"), "not a regular file"),
        (entry("a", tarfile.FIFOTYPE), "not a regular file"),
        (entry("a", tarfile.CHRTYPE), "not a regular file"),
        (entry(".lock"), "is hidden"),
        (entry("MANIFEST.json"), "is there twice"),
        (entry(""), "leads out"),
    ],
)
def test_entries_that_no_run_holds(tmp_path: Path, bad: tarfile.TarInfo, says: str) -> None:
    (tmp_path / "in").mkdir()
    path = tar(tmp_path / "in" / "x.gz", (entry("manifest.json"), b"{}"), (bad, b""))
    with pytest.raises(ArtefactError, match=says) as caught:
        unpack(path, tmp_path / "in" / "deep" / "run")
    assert caught.value.hint
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["x.gz"]


def test_a_bomb_stops_at_the_size_that_is_allowed(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.gz", (entry("manifest.json"), bytes(50_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(ArtefactError, match=r"more than 0\.01 GB") as caught:
        unpack(path, max_gb=0.01)
    assert "--max-gb" in caught.value.hint and not (tmp_path / "x.gz.run").exists()
    lying = gzip.compress(bytes(200_000_000))  # no tar at all: zeros without end
    (tmp_path / "y.gz").write_bytes(lying)
    with pytest.raises(WorkbenchError):
        unpack(tmp_path / "y.gz", max_gb=0.01)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.gz", "y.gz"]


def test_truncated_and_foreign_files(tmp_path: Path) -> None:
    whole = pack(made(tmp_path / "r")).read_bytes()
    for name, content in (("a", whole[:-20]), ("b", b"PK\3\4"), ("c", b""), ("d", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArtefactError):
            unpack(tmp_path / name)
        assert not (tmp_path / f"{name}.run").exists()
    with pytest.raises(ArtefactError, match="no archive at"):
        unpack(tmp_path / "none")


def test_an_archive_whose_files_were_changed_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    entries = [(entry(n), (run.path / n).read_bytes()) for n in ("manifest.json", "d/y", "x.json")]
    entries[1] = (entry("d/y"), b"other")
    with pytest.raises(GateFailed, match="d/y has changed"):
        unpack(tar(tmp_path / "x.gz", *entries))
    assert not (tmp_path / "x.gz.run").exists()
