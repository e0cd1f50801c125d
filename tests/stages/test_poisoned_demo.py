"""The demonstration's own data with a planted shortcut: found out, named, stopped, and gone after repair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import workbench
from workbench.assets import asset
from workbench.cli import app
from workbench.engines.progress import Progress
from workbench.pipeline import run_config
from workbench.run import Run

QUIET: dict[str, Any] = {"device": "cpu", "progress": Progress(quiet=True)}
# What is not looked at here; data, backbone and fine-tuning are the demonstration's.
FEW = (
    *("explain.samples=2", "explain.methods=['shap']", "explain.global_samples=0", "evaluate.resamples=200"),
    *("assess.seeds=0", "assess.randomised=0", "assess.other_class=0", "assess.perturbed=0", "assess.masked=0"),
    *("assess.second_filler='none'", "compare.repeats=0", "compare.flips=4"),
)


def demo(name: str, out: Path, run: str, *more: str) -> Run:
    config = asset("fixtures", "demo", f"{name}.toml")
    return run_config(config, (f"out={str(out)!r}", f"name={run!r}", *FEW, *more), **QUIET)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "planted", "filler"),
    [
        ("digits", "place", "bottom-right corner", "own-mean"),
        ("breast-cancer", "column", "planted", ""),
        # Three fine-tunings of a transformer: half an hour of one processor.
        pytest.param("scipy-docs", "word", "lantern", "", marks=pytest.mark.long),
    ],
)
def test_the_shortcut_is_named_and_the_gate_stops_it(
    name: str, kind: str, planted: str, filler: str, tmp_path: Path
) -> None:
    """Nobody says where to look: the comparison finds it among all places, columns or words."""
    clean = demo(name, tmp_path, "clean", "data.shortcut='random'")
    poisoned = demo(name, tmp_path, "poisoned", "data.shortcut='class'")
    asked = ("compare.repeats=1", "compare.samples=40", *([f"explain.filler='{filler}'"] if filler else []))
    options: dict[str, Any] = {"on": "common", "overrides": asked, **QUIET}
    found = workbench.compare_runs(clean.path, poisoned.path, out=tmp_path / "found", **options)
    comparison = found.read_json("comparison.json")
    sure = [e for e in comparison["moved_to"] if e["beyond_noise"]]
    assert sure and (sure[0]["kind"], sure[0]["what"]) == (kind, planted) and sure[0]["low"] > 0
    assert all(e["gain"] < sure[0]["gain"] / 2 for e in sure if e["what"] != planted)
    assert planted in comparison["shift"]["sentence"]

    policy, told = tmp_path / "policy.toml", tmp_path / "gate.md"
    policy.write_text(f"[shift]\nno_shift_to = [{json.dumps(planted)}]\n", encoding="utf-8")
    stopped = CliRunner().invoke(app, ["gate", str(found.path), "--policy", str(policy), "--markdown", str(told)])
    assert stopped.exit_code == 1 and planted in stopped.stdout and planted in told.read_text(encoding="utf-8")

    # Repaired: the poisoned model is fine-tuned again on clean data; a network for tables is trained anew.
    source = [] if name == "breast-cancer" else [f"backbone.source={str(poisoned.path / 'tuned' / 'checkpoint')!r}"]
    repaired = clean if not source else demo(name, tmp_path, "repaired", "data.shortcut='random'", *source)
    back = workbench.compare_runs(poisoned.path, repaired.path, out=tmp_path / "back", **options)
    shift = back.read_json("explanation_shift.json")["methods"]["shap"]
    gone = next(e for e in shift["lost"] if e["what"] == planted)
    assert gone["high"] < 0  # and of what the shortcut had drawn to itself, less than a quarter is left
    drawn = next(
        e for e in found.read_json("explanation_shift.json")["methods"]["shap"]["gained"] if e["what"] == planted
    )
    assert gone["after"] - drawn["before"] < (gone["before"] - drawn["before"]) / 4
    assert not [e for e in back.read_json("comparison.json")["moved_to"] if e["what"] == planted]
