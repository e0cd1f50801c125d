"""Verify: a run, or the page of one; every byte of a real run's files; some of it computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import copy_of
from test_sealing import keys, made
from typer.testing import CliRunner, Result

from workbench.cli import app
from workbench.errors import ArtefactError, DataError
from workbench.records import parquet_bytes, read_table
from workbench.run import Run
from workbench.verification import verify_run


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def test_one_changed_byte_in_any_file_of_a_run_is_found(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    assert verify_run(run.path)["problems"] == []
    rng = np.random.default_rng(0)
    names = [*run.files(), "manifest.json"]
    assert len(names) > 20
    for name in names:
        path = run.path / name
        whole = path.read_bytes()
        place = int(rng.integers(len(whole)))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = verify_run(run.path)["problems"]
        except ArtefactError as e:
            found = [e.message]
        assert found, name
        path.write_bytes(whole)
    assert verify_run(run.path)["problems"] == []


def test_a_file_that_no_stage_wrote_is_told(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    run.write_bytes("inspect/a/page.html", b"x")
    (run.path / "notes.txt").write_text("x")
    assert verify_run(run.path)["problems"] == ["notes.txt is not in the manifest"]


def test_the_page_of_a_run_stands_for_it(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    run.write_bytes("report.html", b"page")
    with pytest.raises(ArtefactError, match="is not in the manifest"):
        verify_run(run.path / "report.html")
    with run.stage("report", "key", ("report.html",)):
        pass
    assert verify_run(run.path / "report.html")["problems"] == []
    (run.path / "report.html").write_bytes(b"edited")
    assert verify_run(run.path / "report.html")["problems"] == ["report.html has changed"]
    (tmp_path / "alone.html").write_text("x")
    for path in (tmp_path / "alone.html", run.path / "x.json"):
        with pytest.raises(ArtefactError, match="not the page of a run"):
            verify_run(path)


class TestCommands:
    def test_sign_verify_seal_pack_unpack(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r")
        private, public, _ = keys(tmp_path)
        _, other, _ = keys(tmp_path, "other")
        assert "signed by the key" in call("verify", run.path, "--sign", private).stdout
        assert "the one asked for" in call("verify", run.path, "--verify-key", public).stdout
        wrong = call("verify", run.path, "--verify-key", other)
        assert wrong.exit_code == 1 and "by another key" in wrong.stderr
        assert call("seal", run.path).exit_code == 0
        refused = call("report", run.path)
        assert refused.exit_code == 6 and "is sealed and cannot be changed" in refused.stderr
        packed = json.loads(call("pack", run.path, "--json").stdout)
        back = json.loads(call("unpack", packed["archive"], "--out", tmp_path / "back", "--json").stdout)["run"]
        said = json.loads(call("verify", back, "--verify-key", public, "--json").stdout)
        assert said["problems"] == [] and said["checked"][1] == "sealed"

    def test_a_problem_is_said_with_exit_code_1(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r")
        (run.path / "x.json").write_text("[]")
        done = call("verify", run.path, "--sign", keys(tmp_path)[0])
        assert done.exit_code == 1 and "1 thing is not as the manifest says: x.json has changed" in done.stderr
        assert not run.has("signature.json")


class TestRerun:
    def test_what_is_computed_again_equals_what_the_run_holds(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        before = {name: (run.path / name).read_bytes() for name in run.files()}
        found = verify_run(run.path, rerun=3, device="cpu", quiet=True)
        assert found["problems"] == []
        assert [line.split()[:2] for line in found["checked"][-2:]] == [["3", "predictions"], ["2", "explained"]]
        assert {name: (run.path / name).read_bytes() for name in run.files()} == before

    def test_numbers_that_were_made_up_are_found_though_every_hash_fits(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        for name, column in (("onnx/predictions.parquet", "value"), ("onnx/attributions/shap.parquet", "value")):
            table = read_table(run, name)
            place = table.column_names.index(column)
            values = table[column].to_numpy() + 0.5
            run.write_bytes(name, parquet_bytes(table.set_column(place, column, [values])))
        rehash(run)
        assert run.verify() == []
        problems = verify_run(run.path, rerun=3, device="cpu", quiet=True)["problems"]
        assert "3 of 3 predictions computed again differ from onnx/predictions.parquet" in problems[0]
        assert "explained cases computed again differ from onnx/attributions/shap.parquet" in problems[1]

    def test_other_data_are_refused(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        config = (run.path / "config.toml").read_text()
        source = tmp_path / "other.csv"
        (line,) = [part for part in config.splitlines() if part.startswith("source") and ".csv" in part]
        rows = Path(line.split('"')[1]).read_text().splitlines()
        source.write_text("\n".join(rows[:-1]) + "\n")
        (run.path / "config.toml").write_text(config.replace(line, f'source = "{source}"'))
        rehash(run)
        with pytest.raises(DataError):
            verify_run(run.path, rerun=2, device="cpu", quiet=True)


def rehash(run: Run) -> None:
    """A manifest that vouches for the files as they are now."""
    from workbench.run import hash_file

    manifest = run.manifest
    files = {name: hash_file(run.path / name) for name in manifest["files"]}
    stages = manifest["stages"]
    for entry in stages.values():
        if "inputs" in entry:
            entry["inputs"] = {n: files.get(n, sha) for n, sha in entry["inputs"].items()}
    run.write_manifest({**manifest, "files": files, "stages": stages})
