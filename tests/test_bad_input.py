"""Bad input through the command line: the exit code, what is named, what to type next, never a traceback."""

from __future__ import annotations

import errno
import json
import os
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import TINY, config_of, contents, copy_of, write_data
from test_pipeline import MIDDLES, break_at, foreign
from typer.testing import CliRunner, Result

from workbench.cli import app
from workbench.run import Run
from workbench.stages.reads import STAGES

QUICK = [part for key in TINY for part in ("--set", key)]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def refused(result: Result, code: int, *named: str) -> None:
    """The contract of an error: code, `error:` with what is named, `hint:`, no traceback, nothing on stdout."""
    assert result.exit_code == code, (result.exit_code, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "\nhint: " in "\n" + result.stderr, result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""
    for part in named:
        assert part in result.stderr, (part, result.stderr)


def run(config: Path, *more: str) -> Result:
    words = ["run", config, "--device", "cpu", "-q", "--set", f"out={str(config.parent / 'out')!r}"]
    return call(*words, *QUICK, *more)


def table(
    folder: Path, change: Callable[[list[str]], list[str]], kind: str = "values", name: str = "table.csv"
) -> Path:
    """The config of a tiny run whose table is changed line by line."""
    config = write_data(kind, folder)
    path = folder / name
    path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")
    return config


class TestConfigs:
    def test_none(self, tmp_path: Path) -> None:
        refused(call("run", tmp_path / "none.toml"), 2, "none.toml", "workbench init")

    def test_not_toml(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text("task: text\n")
        refused(call("run", tmp_path / "c.toml"), 2, "c.toml", "is not TOML")

    @pytest.mark.parametrize(
        ("override", "named"),
        [
            ("finetune.epoch=1", ("unknown key 'finetune.epoch'", "did you mean 'epochs'?")),
            ("finetune.epochs=-1", ("finetune.epochs", "-1")),
            ("finetune.optimizer=adamm", ("[finetune]", "adamm")),
            ("finetune.schedule=zigzag", ("[finetune]", "zigzag")),
            ("task=tabular-regresion", ("tabular-regresion", "did you mean 'tabular-regression'?")),
            ("explain.methods=['shapp']", ("shapp", "did you mean 'shap'?")),
            ("nonsense", ("--set 'nonsense' is not key=value",)),
            ("data.source=fixture:diabete", ("diabete", "did you mean 'diabetes'?")),
            ("data.source=fixture:digits", ("fixture:digits", "image classification")),
            ("data.group=x", ("'x'", "data.group")),
            ("name=a/b", ("a/b",)),
            ("explain.ids=['nobody']", ("nobody", "ids look like")),
        ],
    )
    def test_a_wrong_word(self, tmp_path: Path, override: str, named: tuple[str, ...]) -> None:
        refused(run(write_data("values", tmp_path), "--set", override), 2 if "group" not in override else 3, *named)

    @pytest.mark.parametrize("device", ["gpu", "cuda:1", ""])
    def test_no_such_device(self, tmp_path: Path, device: str) -> None:
        refused(call("run", write_data("values", tmp_path), "--device", device), 2, "--device", "auto, cpu and cuda")

    def test_cuda_where_there_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workbench.backbones.devices.cuda_devices", lambda: 0)
        refused(run(write_data("values", tmp_path), "--device", "cuda"), 6, "no CUDA device", "--device auto")


class TestTables:
    @pytest.mark.parametrize(
        ("kind", "change", "named"),
        [
            ("values", lambda s: [s[0].replace("price", "cost"), *s[1:]], ("'price'", "data.target", "columns: size")),
            ("values", lambda s: [*s[:7], "0.5,0.5,red,yes,dear", *s[8:]], ("row 7", "'price'", "'dear'")),
            ("values", lambda s: [*s[:7], "0.5,0.5,red", *s[8:]], ("row 7", "3 fields")),
            ("values", lambda s: [*s[:7], *(["inf,0.5,red,yes,1"] * 5), *s[12:]], ("row 7", "infinity", "'size'")),
            ("values", lambda s: [*s[:7], *(["1,0.5,red,yes,nan"] * 5), *s[12:]], ("row 7", "target is missing")),
            ("classes", lambda s: [s[0], *(x.replace(",no,", ",yes,") for x in s[1:])], ("one class only", "'yes'")),
            ("values", lambda s: s[:1], ("no rows",)),
            ("values", lambda s: [], ("table.csv",)),
        ],
    )
    def test_what_no_model_can_read(
        self, tmp_path: Path, kind: str, change: Callable[[list[str]], list[str]], named: tuple[str, ...]
    ) -> None:
        refused(run(table(tmp_path, change, kind)), 3, "table.csv" if "one class" not in named[0] else "good", *named)
        assert not (tmp_path / "out" / kind / "data").exists()

    def test_nothing_there(self, tmp_path: Path) -> None:
        config = write_data("values", tmp_path)
        (tmp_path / "table.csv").unlink()
        refused(run(config), 3, "no data at", "table.csv")

    def test_a_label_that_training_never_saw(self, tmp_path: Path) -> None:
        config = write_data("classes", tmp_path)
        lines = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
        (tmp_path / "test.csv").write_text("\n".join([lines[0], "0,0,red,yess,1"]) + "\n")
        refused(run(config, "--set", "data.test=test.csv"), 3, "test.csv, row 1", "'yess'", "did you mean 'yes'?")

    def test_the_wrong_encoding(self, tmp_path: Path) -> None:
        config = write_data("values", tmp_path)
        path = tmp_path / "table.csv"
        path.write_bytes(path.read_bytes().replace(b"red", "rät".encode("latin-1")))
        refused(run(config), 3, "table.csv", "utf-8")
        result = run(config, "--set", "data.encoding=latin-1")
        assert result.exit_code == 0, result.stderr

    def test_empty_texts(self, tmp_path: Path) -> None:
        change: Callable[[list[str]], list[str]] = lambda s: [*s[:5], *(f" ,{x}" for x in ("yes", "no")), *s[7:]]  # noqa: E731
        refused(run(table(tmp_path, change, "texts", "texts.csv")), 3, "texts.csv, row 5", "empty text", "max_skipped")


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no row of it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b""))


class TestPictures:
    @pytest.mark.parametrize(
        ("content", "says"),
        [(b"", "0.png"), (png(20, 20), "0.png"), (b"not a picture", "not a picture"), (png(60000, 60000), "pixels")],
    )
    def test_unreadable_ones(self, tmp_path: Path, content: bytes, says: str) -> None:
        config = write_data("pictures", tmp_path)
        (tmp_path / "pictures" / "red" / "0.png").write_bytes(content)
        refused(run(config), 3, "red/0.png", says, "max_skipped")

    @pytest.mark.slow
    def test_odd_ones_are_read(self, tmp_path: Path) -> None:
        """One pixel, CMYK, 16 bits, a palette with transparency, and one broken file of a share that is allowed."""
        config = write_data("pictures", tmp_path)
        folder = tmp_path / "pictures" / "red"
        Image.new("RGB", (1, 1), "red").save(folder / "one.png")
        Image.new("CMYK", (20, 24), (0, 200, 200, 0)).save(folder / "print.jpg")
        Image.fromarray(np.full((24, 20), 40000, np.uint16)).save(folder / "deep.png")
        Image.new("RGBA", (20, 24), (255, 0, 0, 90)).quantize(8).save(folder / "palette.gif")
        (folder / "broken.png").write_bytes(b"")
        result = run(config, "--set", "data.max_skipped=0.05")
        assert result.exit_code == 0, result.stderr
        made = Run.open(tmp_path / "out" / "pictures")
        assert made.read_json("data/fingerprint.json")["skipped"][0]["where"] == "red/broken.png"
        assert next(c for c in made.read_json("data/checks.json") if c["check"] == "tiny_pictures")["n"] == 1


class TestBackbones:
    def test_nothing_there(self, tmp_path: Path) -> None:
        refused(run(write_data("texts", tmp_path), "--set", "backbone.source=./nowhere"), 2, "nowhere")

    def test_one_that_does_not_fit(self, tmp_path: Path) -> None:
        refused(run(write_data("texts", tmp_path), "--set", "backbone.source=fixture:glyphs"), 2, "fixture:glyphs")

    def test_one_whose_weights_are_cut_off(self, tmp_path: Path) -> None:
        config = write_data("texts", tmp_path)
        weights = tmp_path / "bert" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        refused(run(config), 4, "bert")


class TestDisk:
    @pytest.mark.parametrize("size", [900, 4_000, 40_000, 110_000])
    def test_a_full_disk_leaves_no_half_file(self, tmp_path: Path, size: int) -> None:
        """No file may grow over a limit: the disk is full in another place each time."""
        config = write_data("values", tmp_path)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            result = run(config)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        refused(result, 6, "cannot write", str(tmp_path / "out" / "values"), "free some space")
        made = tmp_path / "out" / "values"
        if (made / "manifest.json").exists():
            left = Run.open(made)
            order, done = [*STAGES, "report"], list(left.manifest["stages"])
            assert done == order[: len(done)] != order
            assert foreign(left, order[len(done)]) == []  # the stage that the disk was too small for
        assert not [p for p in made.rglob("*") if "partial" in p.name]
        result = run(config)
        assert result.exit_code == 0, result.stderr
        assert Run.open(made).verify() == []

    def test_no_space_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workbench.run.os.fsync", self.full)
        refused(run(write_data("values", tmp_path)), 6, "cannot write", "No space left", "--set out=")
        assert list((tmp_path / "out" / "values").iterdir()) == []

    @staticmethod
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def test_a_folder_that_takes_no_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As on a read-only disk; permissions would not stop root."""

        def read_only(self: Path, *args: object, **options: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

        config = write_data("values", tmp_path)
        monkeypatch.setattr(Path, "mkdir", read_only)
        refused(run(config), 6, "cannot write", "Read-only", str(tmp_path / "out" / "values"))

    def test_a_place_that_is_a_file_or_holds_other_things(self, tmp_path: Path) -> None:
        config = write_data("values", tmp_path)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "values").write_text("mine")
        refused(run(config), 2, "is a file", "--set name=")
        (tmp_path / "out" / "other").mkdir()
        (tmp_path / "out" / "other" / "mine").touch()
        refused(run(config, "--set", "name=other"), 2, "holds other files")
        assert (tmp_path / "out" / "values").read_text() == "mine"


@pytest.mark.parametrize("stage", list(MIDDLES))
def test_ctrl_c_in_any_stage(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = copy_of("values", tmp_path)
    for name in made.manifest["stages"][stage]["outputs"][:1]:
        (made.path / name).unlink()  # the stage has to be done again
    break_at(monkeypatch, *MIDDLES[stage], KeyboardInterrupt())
    words = ["run", config_of("values"), "--device", "cpu", "-q", "--set", f"out={str(tmp_path)!r}", *QUICK]
    refused(call(*words), 130, "interrupted", "goes on from what is done")
    assert stage not in made.manifest["stages"]
    monkeypatch.undo()
    assert call(*words).exit_code == 0 and made.verify() == []


class TestRuns:
    @pytest.mark.parametrize("command", ["report", "verify", "predict", "evaluate", "explain", "assess", "export"])
    def test_no_run(self, command: str, tmp_path: Path) -> None:
        refused(call(command, tmp_path / "none"), 4, "no run at", "none")
        refused(call(command, tmp_path), 4, "has no manifest.json", "workbench run")

    @pytest.mark.parametrize(
        ("content", "named"),
        [(json.dumps({"schema": 99}), "schema 99"), ("{", "is damaged"), ('{"schema": 1}', "lacks its stages")],
    )
    @pytest.mark.parametrize("command", ["report", "verify", "evaluate"])
    def test_a_newer_or_damaged_manifest(self, command: str, content: str, named: str, tmp_path: Path) -> None:
        made = copy_of("values", tmp_path)
        (made.path / "manifest.json").write_text(content)
        refused(call(command, made.path), 4, "manifest.json", named)

    def test_a_changed_byte_is_found_in_every_file(self, tmp_path: Path) -> None:
        made = copy_of("values", tmp_path)
        before = contents(made)
        names = [*before, "config.toml", "timings.json", "report.html"]
        for name in names:
            path = made.path / name
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        assert sorted(made.verify()) == sorted(f"{n} has changed" for n in names)
        refused(call("verify", made.path), 1, f"{len(names)} things are not as the manifest says")

    def test_a_config_that_is_damaged(self, tmp_path: Path) -> None:
        made = copy_of("values", tmp_path)
        (made.path / "config.toml").write_text("task = ")
        refused(call("evaluate", made.path), 4, "config.toml")

    def test_an_onnx_file_that_is_damaged(self, tmp_path: Path) -> None:
        made = copy_of("values", tmp_path)
        path = made.path / "onnx" / "model.onnx"
        path.write_bytes(path.read_bytes()[:100])
        refused(call("predict", made.path, "--input", tmp_path / "x.csv"), 4, "model.onnx", "export")


class TestNewData:
    @pytest.mark.parametrize(
        ("kind", "name", "content", "named"),
        [
            ("values", "new.csv", b"size,age\n1,2\n", ("'colour'",)),
            ("values", "new.csv", b"size,age,colour\n1,2,red\nx,2,red\n", ("row 2", "'size'", "'x'")),
            ("values", "new.csv", b"size,age,colour\ninf,2,red\n", ("row 1", "infinity")),
            ("values", "new.csv", b"", ("is empty",)),
            ("values", "new.xls", b"x", ("is not a table file",)),
            ("texts", "new.csv", b"words\n1\n", ("which column is the text",)),
            ("texts", "new.csv", b"text,n\ngood,1\n ,2\n", ("row 2", "empty text")),
            ("texts", "new.txt", "süß".encode("latin-1"), ("new.txt", "utf-8")),
            ("texts", "new.txt", b"\n\n", ("holds no text",)),
            ("pictures", "new.png", b"x", ("new.png", "not a picture")),
        ],
    )
    def test_what_the_model_cannot_read(
        self, kind: str, name: str, content: bytes, named: tuple[str, ...], tmp_path: Path
    ) -> None:
        made = copy_of(kind, tmp_path)
        (tmp_path / name).write_bytes(content)
        out = tmp_path / "out.csv"
        refused(call("predict", made.path, "--input", tmp_path / name, "--out", out), 3, *named)
        assert not out.exists()

    def test_nothing_there(self, tmp_path: Path) -> None:
        made = copy_of("pictures", tmp_path)
        refused(call("predict", made.path, "--input", tmp_path / "none"), 3, "no data at")
        (tmp_path / "empty").mkdir()
        refused(call("predict", made.path, "--input", tmp_path / "empty"), 3, "no picture below")

    def test_options_that_would_do_nothing(self, tmp_path: Path) -> None:
        made = copy_of("values", tmp_path)
        refused(call("predict", made.path, "--out", tmp_path / "x.csv"), 2, "--out without --input")
        refused(call("predict", made.path, "--input", tmp_path, "--set", "seed=1"), 2, "--set with --input")
        refused(call("predict", made.path, "--input", tmp_path, "--out", tmp_path / "x.xls"), 2, "x.xls")


def test_debugging_shows_where_it_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DEBUG", "1")
    result = call("run", tmp_path / "none.toml")
    assert type(result.exception).__name__ == "ConfigError"


def test_a_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.pipeline.read_config", lambda *_: 1 / 0)
    assert isinstance(call("run", tmp_path / "c.toml").exception, ZeroDivisionError)
