"""A redacted report holds no raw input: what was planted is looked for in each file and its compressed parts."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import TINY, write_data
from typer.testing import CliRunner

from workbench.cli import app
from workbench.pipeline import run_config
from workbench.report.index import build_index
from workbench.run import Run
from workbench.verification import verify_run

PLANTED = ("zqxtext", "zqxword", "zqxcell", "zqxgroup", "zqxname", "zqxid", "zqxfolder", "zqxlong")
OUTPUTS = ("report.html", "report.json", "model_card.md", "workbench.junit.xml")
CASES = ("texts", "classes", "pictures")


def plant(kind: str, folder: Path) -> Path:
    """The config of a tiny run whose every input holds a word that stands nowhere else."""
    folder = folder / "zqxfolder"
    config = write_data(kind, folder)
    text = config.read_text(encoding="utf-8")
    if kind == "texts":
        lines = (folder / "texts.csv").read_text(encoding="utf-8").splitlines()
        rows = [f"zqxid{i},zqxword{i % 3} {x.split(',')[0]} zqxtext{i},{x.split(',')[1]},zqxgroup{i % 2}"
                for i, x in enumerate(lines[1:])]  # fmt: skip
        rows += [f"zqxid90{rows[0][6:]}", *(f"zqxid8{k}0,{'zqxlong ' * 300},yes,zqxgroup1" for k in range(2))]
        (folder / "zqxname.csv").write_text("name,text,label,place\n" + "\n".join(rows) + "\n", encoding="utf-8")
        text = text.replace('"texts.csv"', '"zqxname.csv"\nid = "name"\nslices = ["place"]\ngroup = "place"\n'.rstrip())
        text = text.replace('group = "place"', 'text = "text"')
    elif kind == "classes":
        lines = (folder / "table.csv").read_text(encoding="utf-8").splitlines()
        rows = [f"zqxid{i},{x.replace('red', 'zqxcell').replace('blue', 'zqxcell2')},zqxgroup{i % 3}"
                for i, x in enumerate(lines[1:])]  # fmt: skip
        rows[5] = rows[5].replace("green", "zqxcell9").replace("zqxcell2", "zqxcell9")
        (folder / "zqxname.csv").write_text(f"name,{lines[0]},place\n" + "\n".join(rows) + "\n", encoding="utf-8")
        text = text.replace('"table.csv"', '"zqxname.csv"\nid = "name"')
        text = text.replace('slices = ["colour"]', 'slices = ["colour", "place"]')
    else:
        for path in sorted((folder / "pictures").rglob("*.png")):
            path.rename(path.with_name(f"zqxname{path.name}"))
        (folder / "pictures" / "red" / "zqxnamebroken.png").write_bytes(b"x")
        text = text.replace('"pictures"', '"pictures"\nmax_skipped = 0.5', 1)
    config.write_text(text, encoding="utf-8")
    return config


@cache
def _made(kind: str, folder: Path) -> Run:
    more = ("evaluate.resamples=100", "explain.samples=4", f"out={str(folder / 'out')!r}")
    return run_config(plant(kind, folder), (*TINY, *more), device="cpu")


def opened(page: str) -> str:
    """A page with whatever stands compressed in it."""
    found = [page]
    for packed in re.findall(r"H4sI[A-Za-z0-9+/=]{40,}", page):
        found.append(gzip.decompress(base64.b64decode(packed)).decode())
    assert len(found) > 1, "no compressed part was found: look for where they went"
    return "\n".join(found)


def spoken(run: Run) -> dict[str, str]:
    found = {name: (run.path / name).read_text(encoding="utf-8") for name in OUTPUTS}
    return {**found, "report.html": opened(found["report.html"])}


def left_in(text: str) -> list[str]:
    """What was planted and is still there; the page's compressed parts are opened, their letters prove nothing."""
    return sorted(set(re.findall(rf"(?:{'|'.join(PLANTED)})\w*", text)))


def raster(text: str) -> list[np.ndarray]:
    """Every picture of a page that has more than a few colours: a photograph, not an overlay of values."""
    found = []
    for packed in set(re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", text)):
        found.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(packed))).convert("RGB")))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planted")


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_no_raw_input_is_left(kind: str, folder: Path) -> None:
    run = _made(kind, folder / kind)
    plain = spoken(run)
    assert left_in(plain["report.html"]), "an open report shows what was planted"
    result = CliRunner().invoke(app, ["report", str(run.path), "--redact", "-q"])
    assert result.exit_code == 0, result.stderr
    found = spoken(run)
    for name, text in found.items():
        assert not left_in(text), (name, left_in(text))
        assert "could not be built" not in text and "is missing:" not in text, name
    assert "Inputs are redacted" in found["report.html"] and "Inputs are redacted" in found["model_card.md"]
    assert raster(plain["report.html"]) if kind == "pictures" else True
    assert not raster(found["report.html"])
    assert json.loads(found["report.json"])["redacted"] is True
    assert verify_run(run.path)["problems"] == []  # report.json's numbers are looked up under their hashes


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "classes"])
def test_a_comparison_and_an_index_keep_out_what_the_reports_do(kind: str, folder: Path) -> None:
    run, asked = _made(kind, folder / kind), ["-q", "--device", "cpu"]
    CliRunner().invoke(app, ["report", str(run.path), "--redact", "-q"])
    config = folder / kind / "zqxfolder" / f"{kind}.toml"
    keys = (*TINY, "seed=1", "name=zqxtwin", "explain.samples=2", f"out={str(folder / kind / 'out')!r}")
    twin = run_config(config, keys, device="cpu")
    found = {}
    for name, more in {
        "as the report": [],
        "plain": ["--no-redact"],
        "asked for": ["--redact", "--lang", "zh-CN"],
    }.items():
        out = folder / kind / name
        words = ["--set", "compare.words=['zqxword1']"] if kind == "texts" else []
        told = ["compare", str(run.path), str(twin.path), "--out", str(out), "--on", "common", *words, *more, *asked]
        result = CliRunner().invoke(app, told)
        assert result.exit_code == 0, result.stderr
        found[name] = opened((out / "compare.html").read_text(encoding="utf-8"))
        again = CliRunner().invoke(app, ["report", str(out), "-q"])  # as it was before
        assert again.exit_code == 0 and opened((out / "compare.html").read_text(encoding="utf-8")) == found[name]
    assert left_in(found["plain"]), "an open comparison shows what was planted"
    for name in ("as the report", "asked for"):
        assert not [word for word in left_in(found[name]) if word != "zqxtwin"], name
        assert "could not be built" not in found[name] and "Inputs are redacted" in found["as the report"]
    assert '<html lang="zh-CN">' in found["asked for"]
    assert str(folder) in found["plain"] and str(folder) not in found["as the report"]  # where the runs lie
    page = build_index([run.path], folder / kind / "index.html").read_text(encoding="utf-8")
    assert run.path.name in page and not left_in(page)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "classes"])
def test_nothing_that_is_kept_out_goes_to_mlflow(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte of a store is looked through: parameters, tags, metrics and files."""
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = _made(kind, folder / kind)
    for flag in ("--no-redact", "--redact"):
        store = tmp_path / flag
        result = CliRunner().invoke(app, ["report", str(run.path), flag, "--mlflow", store.as_uri(), "-q"])
        assert result.exit_code == 0, (result.stderr, result.exception)
        kept = [path for path in store.rglob("*") if path.is_file()]
        names = {path.name for path in kept}
        said = "\n".join(path.read_text(encoding="utf-8") for path in kept if path.suffix != ".html")
        said += "\n".join(opened(path.read_text(encoding="utf-8")) for path in kept if path.suffix == ".html")
        said = said.replace(str(store), "")
        assert {"report.html", "report.json", "model_card.md", "test.accuracy", "finetune.epochs"} <= names
        assert bool(left_in(said)) == (flag == "--no-redact"), left_in(said)
        assert ({"config.toml", "manifest.json"} <= names) == (flag == "--no-redact")


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_numbers_stay(kind: str, folder: Path) -> None:
    """What is said of the model is the same, and a gate writes the report again as it was."""
    run = _made(kind, folder / kind)
    CliRunner().invoke(app, ["report", str(run.path), "--no-redact", "-q"])
    plain = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    CliRunner().invoke(app, ["report", str(run.path), "--redact", "-q"])
    hidden = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    values = lambda found: [n["value"] for n in found["numbers"] if not n["address"].startswith("global.json#/partial")]  # noqa: E731
    assert sorted(values(plain), key=str) == sorted(values(hidden), key=str)
    assert run.manifest["stages"]["report"]["redacted"] is True
    result = CliRunner().invoke(app, ["report", str(run.path), "-q"])  # as it was before
    assert result.exit_code == 0 and not left_in(spoken(run)["report.html"])
    CliRunner().invoke(app, ["report", str(run.path), "--no-redact", "-q"])
    assert left_in(spoken(run)["report.html"])
