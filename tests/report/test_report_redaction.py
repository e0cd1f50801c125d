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
