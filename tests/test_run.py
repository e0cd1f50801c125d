"""The run directory: whole files or none, hashes, freshness, the lock."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import ArtefactError, StageError, UsageError
from workbench.run import SCHEMA, Run, digest, hash_file, write_atomically


def made(path: Path, **files: str) -> Run:
    """A run with one stage, `work`, whose outputs are the files."""
    run = Run.create(path)
    run.begin(name=path.name, task="t")
    with run.stage("work", "key", tuple(files)) as entry:
        for name, text in files.items():
            run.write_bytes(name, text.encode())
        entry["note"] = "a fact"
    return run


def test_digest_knows_values_and_not_their_order() -> None:
    assert digest({"a": 1, "b": [2.5, "é"]}) == digest({"b": [2.5, "é"], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"}) and digest([1, 2]) != digest([2, 1])
    assert digest("é") == hashlib.sha256('"é"'.encode()).hexdigest()


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 5000)
    assert hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


class TestWriting:
    def test_a_file_appears_whole_and_makes_its_folders(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "a" / "b" / "c.json", b"text")
        assert (tmp_path / "a" / "b" / "c.json").read_bytes() == b"text"
        assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["c.json"]

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_what_fails_leaves_the_old_file_and_no_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        path = tmp_path / "x.json"
        path.write_bytes(b"old")

        def fail(handle: int) -> None:
            raise error

        monkeypatch.setattr("workbench.run.os.fsync", fail)
        expected = StageError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected) as caught:
            write_atomically(path, b"new and longer")
        assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x.json"]
        if isinstance(caught.value, StageError):
            assert str(path) in caught.value.message and "No space left" in caught.value.message

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_json_lacks_are_refused(self, tmp_path: Path, value: float) -> None:
        with pytest.raises(ValueError, match="JSON"):
            Run.create(tmp_path / "r").write_json("x.json", [value])
        assert not (tmp_path / "r" / "x.json").exists()


class TestOpening:
    def test_a_file_and_a_folder_of_others_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(UsageError, match="is a file"):
            Run.create(tmp_path / "file")
        with pytest.raises(UsageError, match="holds other files"):
            Run.create(tmp_path)
        with pytest.raises(StageError, match="cannot write"):
            Run.create(tmp_path / "file" / "below")

    def test_an_empty_folder_and_a_run_are_taken(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        Run.create(tmp_path / "empty")
        again = Run.create(made(tmp_path / "r", x="1").path)
        assert again.has("x") and not again.has("y")

    def test_nothing_there_or_no_manifest(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none", tmp_path):
            with pytest.raises(ArtefactError):
                Run.open(path)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("{", "is damaged"),
            ("[]", "is not a manifest"),
            ('{"schema": "1"}', "is not a manifest"),
            ('{"schema": 1}', "lacks its stages"),
            ('{"schema": 1, "stages": {}, "files": []}', "lacks its stages"),
            (json.dumps({"schema": SCHEMA + 1}), f"schema {SCHEMA + 1}"),
            ("\xff", "is damaged"),
        ],
    )
    def test_a_manifest_that_is_none(self, tmp_path: Path, content: str, says: str) -> None:
        run = made(tmp_path / "r", x="1")
        (run.path / "manifest.json").write_bytes(content.encode("latin-1"))
        with pytest.raises(ArtefactError, match=says) as caught:
            Run.open(run.path)
        assert caught.value.hint and caught.value.exit_code == 4

    def test_a_damaged_or_missing_file_is_named(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", **{"x.json": "{"})
        with pytest.raises(ArtefactError, match=r"x\.json is damaged"):
            run.read_json("x.json")
        with pytest.raises(ArtefactError, match=r"y\.json is missing"):
            run.read_json("y.json")


class TestStages:
    def test_a_stage_is_fresh_until_key_or_file_change(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1", y="2")
        assert run.fresh("work", "key") and not run.fresh("work", "other") and not run.fresh("rest", "key")
        (run.path / "y").write_text("3")
        assert not run.fresh("work", "key")
        (run.path / "y").write_text("2")
        assert run.fresh("work", "key")
        (run.path / "x").unlink()
        assert not run.fresh("work", "key")
        assert not Run.create(tmp_path / "new").fresh("work", "key")

    def test_entry_and_hashes(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1")
        manifest = run.manifest
        entry = manifest["stages"]["work"]
        assert entry["note"] == "a fact" and entry["outputs"] == ["x"] and entry["seconds"] >= 0
        assert manifest["files"] == {"x": hashlib.sha256(b"1").hexdigest()}

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_a_stage_that_breaks_off_is_not_done(self, tmp_path: Path, error: type[BaseException]) -> None:
        run = made(tmp_path / "r", x="1")
        with pytest.raises(error), run.stage("work", "key", ("x",)):
            raise error
        assert not run.fresh("work", "key") and "work" not in run.manifest["stages"]

    def test_folders_are_outputs_without_hidden_and_half_files(self, tmp_path: Path) -> None:
        run = Run.create(tmp_path / "r")
        run.begin(name="r")
        with run.stage("work", "key", ("d", "absent")):
            for name in ("d/b", "d/a/c", "d/.x.1.partial"):
                run.write_bytes(name, b"1")
        assert run.manifest["stages"]["work"]["outputs"] == ["d/a/c", "d/b"]

    def test_what_a_stage_writes_no_more_leaves_the_manifest(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1", y="2")
        (run.path / "y").unlink()
        with run.stage("work", "key", ("x",)):
            pass
        assert list(run.manifest["files"]) == ["x"] and "redoing" not in run.manifest

    def test_what_another_stage_wrote_and_is_gone_stays_in_sight(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1", y="2")
        (run.path / "y").unlink()
        with run.stage("report", "key", ("page",)):
            run.write_bytes("page", b"whole?")
        assert run.verify() == ["y is missing"]

    def test_a_stage_that_broke_off_and_is_done_again_writes_less(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1", y="2")
        with pytest.raises(RuntimeError), run.stage("work", "key", ("x", "y")):
            (run.path / "y").unlink()
            raise RuntimeError
        assert run.verify() == ["y is missing"]
        with run.stage("work", "other", ("x", "y")):
            pass
        assert run.verify() == [] and list(run.manifest["files"]) == ["x"]

    def test_a_file_of_two_stages_stays_while_one_of_them_has_it(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1")
        with run.stage("second", "key", ("x",)):
            pass
        with run.stage("work", "key", ("z",)):
            run.write_bytes("z", b"3")
        assert list(run.manifest["files"]) == ["x", "z"]

    def test_a_stage_is_fresh_while_what_it_read_is_what_it_was(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", **{"m/model": "1", "m/notes": "2", "other": "3"})
        inputs = run.hashes("m/model", "absent", "m/note")
        assert inputs == {"m/model": hashlib.sha256(b"1").hexdigest()}
        assert run.hashes("m") == {n: run.manifest["files"][n] for n in ("m/model", "m/notes")}
        with run.stage("reader", "key", ("told",), inputs):
            run.write_bytes("told", b"4")
        assert run.fresh("reader", "key", run.hashes("m/model")) and run.verify() == []
        assert run.manifest["stages"]["reader"]["inputs"] == inputs
        with run.stage("work", "key", ("m/model", "m/notes", "other")):  # done again with the same key
            run.write_bytes("m/model", b"5")
        assert not run.fresh("reader", "key", run.hashes("m/model"))
        assert run.verify() == ["reader was made from another m/model"]

    def test_a_stage_of_an_older_manifest_names_no_inputs_and_stays(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1")
        assert "inputs" not in run.manifest["stages"]["work"] and run.fresh("work", "key", {"any": "thing"})

    def test_identity_is_refreshed_and_stages_stay(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r", x="1")
        run.write_bytes("config.toml", b"task = 't'")
        run.begin(name="r", seed=5)
        assert run.manifest["seed"] == 5 and run.fresh("work", "key") and run.manifest["schema"] == SCHEMA
        assert run.manifest["files"]["config.toml"] == hashlib.sha256(b"task = 't'").hexdigest()


def test_verify_names_what_is_not_as_it_was(tmp_path: Path) -> None:
    run = made(tmp_path / "r", **{"x": "1", "d/y": "2"})
    assert run.verify() == []
    (run.path / "x").write_text("2")
    (run.path / "d" / "y").unlink()
    assert sorted(run.verify()) == ["d/y is missing", "x has changed"]


class TestLock:
    HOLD = "import sys; from workbench.run import Run\nwith Run(sys.argv[1]).lock(): print('held', flush=True); input()"

    def test_a_second_process_is_told_who_holds_it(self, tmp_path: Path) -> None:
        run = Run.create(tmp_path / "r")
        options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", self.HOLD, str(run.path)], **options) as holder:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            with pytest.raises(StageError, match=f"in use by process {holder.pid}") as caught, run.lock():
                pytest.fail("the lock was taken twice")
            assert caught.value.exit_code == 6
            holder.communicate("\n")
        with run.lock():  # the holder is gone
            pass

    def test_a_killed_holder_holds_nothing(self, tmp_path: Path) -> None:
        run = Run.create(tmp_path / "r")
        with subprocess.Popen(
            [sys.executable, "-c", self.HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None and holder.stdout.readline()
            holder.kill()
        with run.lock():
            pass

    def test_the_lock_is_given_back_after_an_error(self, tmp_path: Path) -> None:
        run = Run.create(tmp_path / "r")
        with pytest.raises(RuntimeError), run.lock():
            raise RuntimeError
        with run.lock():
            pass
