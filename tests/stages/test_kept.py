"""Parts of explained cases: kept whole, taken as they are, made again where they are damaged or of something else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from runs import TINY, config_of, contents, copy_of, made

from workbench import pipeline
from workbench.engines.progress import Progress
from workbench.explainers import find_method
from workbench.run import Run
from workbench.stages import explain as stage
from workbench.stages import kept as kept_stage
from workbench.stages.explain import Asked
from workbench.stages.kept import Answered, Kept, answered
from workbench.stages.session import Session

METHODS = ("shap", "integrated-gradients", "grad-cam", "attention-rollout")


def asked(kind: str = "pictures") -> Asked:
    session = Session.open(made(kind).path, device="cpu", progress=Progress(quiet=True))
    return Asked(session, [(row, "right") for row in range(5)])


def plain(sides: list[Answered]) -> list[Any]:
    """What two parts are compared by; arrays as bytes, so that equal means every bit."""
    return [
        (
            side.outputs.tobytes(),
            [
                (model, found)
                if isinstance(found, str)
                else (
                    model,
                    found.explainer,
                    found.example_id,
                    found.question,
                    found.features,
                    *(None if a is None else (a.dtype, a.shape, a.tobytes()) for a in (found.values, found.low)),
                    *(None if a is None else (a.dtype, a.shape, a.tobytes()) for a in (found.high, found.dense)),
                    (found.base_score, found.score, found.gap, found.evaluations, found.seed),
                )
                for model, found in side.found
            ],
        )
        for side in sides
    ]


def test_a_part_comes_back_as_it_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "TOGETHER", 2)
    methods = [find_method(name) for name in METHODS]
    first = list(answered(asked(), methods, Kept(tmp_path / "p", "key")))
    assert len(list((tmp_path / "p").iterdir())) == 2  # the third part ends the work
    assert any(isinstance(found, str) for _, sides in first for side in sides for _, found in side.found)
    assert any(
        not isinstance(found, str) and found.dense is not None and found.low is None
        for _, sides in first
        for side in sides
        for _, found in side.found
    )
    calls: list[str] = []
    own = kept_stage.run_explainer
    monkeypatch.setattr(
        kept_stage, "run_explainer", lambda m, probe, **o: calls.append(probe.example_id) or own(m, probe, **o)
    )
    again_asked = asked()
    again = list(answered(again_asked, methods, Kept(tmp_path / "p", "key")))
    assert [c["id"] for c, _ in again] == [c["id"] for c, _ in first] == [c["id"] for c in again_asked.cases]
    assert [plain(sides) for _, sides in again] == [plain(sides) for _, sides in first]
    assert set(calls) == {first[-1][0]["id"]}  # only what was not kept
    assert again_asked.asker.evaluations > 0

    path = sorted((tmp_path / "p").iterdir())[0]
    for content in (b"", path.read_bytes()[:-9], b"{}" * 40):
        path.write_bytes(content)
        calls.clear()
        repaired = list(answered(asked(), methods, Kept(tmp_path / "p", "key")))
        assert [plain(sides) for _, sides in repaired] == [plain(sides) for _, sides in first]
        assert set(calls) == {first[i][0]["id"] for i in (0, 1, 4)}
    Kept(tmp_path / "p", "another")
    assert not list((tmp_path / "p").iterdir())
    Kept(tmp_path / "p", "key").remove()
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("columns", "background", "budget", "expected"),
    [(30, 32, 512, 16), (30, 100, 512, 16), (4, 4, 512, 256), (9, 32, 512, 16), (7, 32, 512, 64), (30, 32, 128, 64)],
)
def test_a_part_asks_no_more_than_sixteen_of_the_largest(
    columns: int, background: int, budget: int, expected: int
) -> None:
    """512 masks of 32 background rows are the largest by default; 2^7 = 128 masks leave room for four times as many."""
    of = SimpleNamespace(background={"numeric": np.zeros((background, columns))}, budget=budget)
    cases = [{"cut": SimpleNamespace(features=[None] * columns)}]
    assert stage.Asked._together(of, cases) == expected  # type: ignore[arg-type]
    of.background = None
    assert stage.Asked._together(of, cases) == stage.TOGETHER  # type: ignore[arg-type]


def test_explaining_goes_on_with_the_part_that_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = (*TINY, f"out={str(tmp_path)!r}", "explain.samples=9", "explain.methods=['shap','lime']")
    whole = copy_of("values", tmp_path)
    monkeypatch.setattr(stage, "TOGETHER", 2)
    monkeypatch.setattr(stage, "_MOST_TOGETHER", 2)
    pipeline.run_config(config_of("values"), options, device="cpu", progress=Progress(quiet=True))
    expected = contents(whole)
    assert not list(whole.path.rglob(".explained"))

    broken = copy_of("values", tmp_path / "b")
    options = tuple(o.replace(str(tmp_path), str(tmp_path / "b")) for o in options)
    own, explained = kept_stage.run_explainer, []

    def until(method: Any, probe: Any, **more: Any) -> Any:
        explained.append(probe.example_id)
        if len(set(explained)) == 6:
            raise KeyboardInterrupt
        return own(method, probe, **more)

    monkeypatch.setattr(kept_stage, "run_explainer", until)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_config(config_of("values"), options, device="cpu", progress=Progress(quiet=True))
    assert "explain" not in Run.open(broken.path).manifest["stages"]
    first = list(dict.fromkeys(explained))
    explained.clear()
    monkeypatch.setattr(
        kept_stage, "run_explainer", lambda m, probe, **o: explained.append(probe.example_id) or own(m, probe, **o)
    )
    pipeline.run_config(config_of("values"), options, device="cpu", progress=Progress(quiet=True))
    assert len(set(explained)) == 5 and not set(explained) & set(first[:4])  # two of three parts were kept
    assert np.array_equal(
        sorted({*explained, *first}), sorted(c["id"] for c in broken.read_json("cases.json")["cases"])
    )
    assert contents(broken) == expected and broken.verify() == []
