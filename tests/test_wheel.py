"""The wheel: everything that a run needs is inside it, and nothing of the checkout."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import workbench

CHECKOUT = Path(workbench.__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with what is installed here."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False)
    found = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    words = [str(found), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:  # a pure wheel is installed by unpacking it
        archive.extractall(site)
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return found


def call(python: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [str(python), "-P", "-m", "workbench", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_templates_and_fixtures_are_inside_and_nothing_else_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {n.removeprefix("workbench/_assets/") for n in names if n.startswith("workbench/_assets/")}
    wanted = {
        p.relative_to(CHECKOUT).as_posix()
        for folder in ("templates", "fixtures")
        for p in (CHECKOUT / folder).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert inside == wanted and {"fixtures/glyphs/model.safetensors", "templates/page.html"} <= inside
    modules = {p.relative_to(CHECKOUT).as_posix() for p in (CHECKOUT / "workbench").rglob("*.py")}
    assert modules <= names
    assert {n.split("/")[0] for n in names} == {"workbench", f"workbench-{workbench.__version__}.dist-info"}
    assert f"workbench-{workbench.__version__}.dist-info/licenses/LICENSE" in names


def test_a_release_has_its_bill_of_materials_and_hashes(tmp_path: Path) -> None:
    folder, here = tmp_path / "dist", Path(sys.prefix)
    words = ["make", "-C", str(CHECKOUT), "-o", f"{here}/.test", "release", f"VENV={here}", f"DIST={folder}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = {p.name.removeprefix(f"workbench-{workbench.__version__}") for p in folder.iterdir()}
    assert kinds == {"-py3-none-any.whl", ".tar.gz", "workbench.cdx.json", "SHA256SUMS"}
    hashes = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert hashes == {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.name != "SHA256SUMS"
    }
    bill = json.loads((folder / "workbench.cdx.json").read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["version"] == workbench.__version__
    assert {"torch", "captum", "shap", "lime", "onnxruntime-gpu"} <= {c["name"] for c in bill["components"]}
    with tarfile.open(folder / f"workbench-{workbench.__version__}.tar.gz") as archive:
        names = {n.partition("/")[2] for n in archive.getnames()}
    assert {"workbench/cli.py", "tests/runs.py", "constraints.txt", "Makefile", "LICENSE"} <= names
    assert not any(n.startswith((".venv", "reports/digits", ".git/")) for n in names)


def test_it_runs_from_anywhere(python: Path, tmp_path: Path) -> None:
    where = [str(python), "-P", "-c", "import workbench; print(workbench.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True, env={}).stdout
    assert str(python.parent.parent) in found and str(CHECKOUT) not in found
    assert "tabular-regression" in call(python, tmp_path, "list", "tasks")
    (tmp_path / "c.toml").write_text(
        'task = "tabular-regression"\n[data]\nsource = "fixture:diabetes"\n[finetune]\nepochs = 1\n'
        "[explain]\nsamples = 2\nbudget = 32\n[evaluate]\nresamples = 100\n"
    )
    page = call(python, tmp_path, "run", "c.toml", "--device", "cpu", "-q").strip()
    assert "<html" in (tmp_path / page).read_text(encoding="utf-8")
    assert "every file is what the manifest says" in call(python, tmp_path, "verify", "reports/c")
