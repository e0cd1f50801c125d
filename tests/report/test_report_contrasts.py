"""What stands beside the attributions: sentences that say what was proved, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from hostile import hostile_sample
from sample_run import build_sample

from workbench.errors import ArtefactError
from workbench.report.build import render
from workbench.report.contrasts import Told, beside
from workbench.report.excerpts import Neighbours, Struck
from workbench.report.gaps import gaps
from workbench.report.inspect import prepare, write_inspection
from workbench.report.panels import CaseView
from workbench.report.shapes import Bars, Overlay, Prose, Table, Tokens
from workbench.report.view import RunView
from workbench.run import Run

Copy = Callable[[str], Run]
DRAWN = {"text": (Tokens, Struck), "image": (Overlay, Overlay), "table": (Bars, Table)}


def told(run: Run, place: int = 0) -> dict[str, Told]:
    view = RunView(run)
    case = view.json("cases.json")["cases"][place]
    return {entry.key: entry for entry in beside(CaseView(view, view.modality, case, place))}


def words(entry: Told) -> str:
    return " ".join(p for b in entry.blocks if isinstance(b, Prose) for p in b.paragraphs)


def with_turn(run: Run, **changed: Any) -> Told:
    known = run.read_json("contrasts.json")
    first = run.read_json("cases.json")["cases"][0]["id"]
    known["cases"][first]["counterfactual"] |= changed
    run.write_json("contrasts.json", known)
    return told(run)["counterfactual"]


@pytest.mark.parametrize("kind", ["text", "image", "table"])
def test_each_is_drawn_on_its_example(samples: dict[str, Run], kind: str) -> None:
    found = told(samples[kind])
    contrast, turned = DRAWN[kind]
    assert list(found) == ["contrast", "counterfactual", "familiar"]
    assert any(isinstance(b, contrast) for b in found["contrast"].blocks)
    assert isinstance(found["counterfactual"].blocks[0], turned)
    (near,) = (b for b in found["familiar"].blocks if isinstance(b, Neighbours))
    assert len(near.examples) == 3 and all(e.picture if kind == "image" else e.text or e.cells for e in near.examples)


def test_a_value_has_no_runner_up_but_an_amount(samples: dict[str, Run]) -> None:
    found = told(samples["regression"], 3)
    assert "contrast" not in found and "moves the value by 38.5" in found["counterfactual"].title
    assert "156" in told(samples["regression"])["familiar"].title


def test_no_more_is_claimed_than_was_proved(copied: Copy) -> None:
    run = copied("text")
    one = with_turn(run, size=1, least=True, minimal=True)
    assert "1 word of" in one.title and "needed" not in words(one) and "ruled out" not in words(one)
    three = {"size": 3, "changes": [{"index": k, "name": str(k)} for k in range(3)]}
    assert "No word and no two would do" in words(with_turn(run, **three, least=True))
    some = words(with_turn(run, **three, least=False, minimal=False))
    assert "is not ruled out" in some and "Without any one of them" in some and "no part of them" not in some
    assert "Removed altogether instead, they do not turn it." in some
    none = with_turn(run, found=False, ruled_out=2, changes=[])
    assert none.title == "Nothing was found that turns the decision" and "no two do it" in words(none)
    assert "tried" not in words(with_turn(run, ruled_out=0)).replace("tries", "")


def test_the_unfamiliar_is_said(copied: Copy) -> None:
    run = copied("text")
    assert told(run)["familiar"].level == "good" and "nothing unusual" in told(run)["familiar"].title
    rare = told(run, 1)["familiar"]
    assert rare.level == "fair" and "unlike" in rare.title and "trust the answer less" in words(rare)


def test_a_run_without_them_is_as_it_was(copied: Copy) -> None:
    run = copied("text")
    (run.path / "contrasts.json").unlink()
    assert told(run) == {} and 'class="neighbours"' not in render(RunView(run))


def test_what_was_not_done_says_why(copied: Copy) -> None:
    run = copied("image")
    known = run.read_json("contrasts.json")
    for found in known["cases"].values():
        found["familiar"] = {"reason": "this run kept no embeddings"}
    run.write_json("contrasts.json", known | {"familiar": None})
    assert "This run kept no embeddings." in words(told(run)["familiar"])


@pytest.mark.parametrize("kind", ["text", "image", "table", "regression"])
def test_the_page_of_one_prediction(samples: dict[str, Run], kind: str, tmp_path: Path) -> None:
    run = samples[kind]
    case = run.read_json("cases.json")["cases"][2]
    found = write_inspection(run, case["id"], tmp_path, name="a run")
    page = (tmp_path / "inspect.html").read_text()
    assert json.loads((tmp_path / "inspect.json").read_text()) == json.loads(json.dumps(found))
    assert 'id="counterfactual"' in page and ('id="contrast"' in page) is (kind != "regression")
    assert page.count('class="method"') == 3 and ('type="range"' in page) is (kind == "image")
    assert len(found["methods"]["after"]["shap"]["values"]) == len(found["features"])
    assert len(page) < 400_000
    assert write_inspection(run, case["id"], tmp_path, name="a run") == found
    if kind != "regression":
        frame = RunView(run).predictions("onnx")
        row = frame[frame["id"] == case["id"]].iloc[0]
        logits = row[[c for c in frame.columns if c.startswith("logit.")]].to_numpy(float)
        assert found["decision"]["probability"] == pytest.approx(np.exp(logits.max()) / np.exp(logits).sum())


def test_what_is_read_beforehand_is_what_every_page_takes(
    samples: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    plain = jinja2.Environment.get_template

    def recorded(self: Any, name: str, *more: Any) -> Any:
        asked.add(name)
        return plain(self, name, *more)

    monkeypatch.setattr(jinja2.Environment, "get_template", recorded)
    prepare()
    before = set(asked)
    assert "inspect.html" in before
    for kind in ("text", "image", "table", "regression"):
        asked.clear()
        run = samples[kind]
        write_inspection(run, run.read_json("cases.json")["cases"][2]["id"], tmp_path, name="a run")
        assert before <= asked, before - asked


def test_nobody_is_inspected_who_is_not_there(samples: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="nobody"):
        write_inspection(samples["text"], "nobody", tmp_path, name="x")


@pytest.mark.parametrize("kind", ["text", "image", "table"])
def test_nothing_from_the_data_is_markup(kind: str, tmp_path: Path) -> None:
    run = build_sample(tmp_path / "run", kind, hostile_sample(kind))
    id = run.read_json("cases.json")["cases"][0]["id"]
    write_inspection(run, id, tmp_path / "out", name="<b>run</b>")
    page = (tmp_path / "out" / "inspect.html").read_text()
    assert "<b>run</b>" not in page and "<img" not in page and page.count("<script>") == 1


def test_what_was_not_found_out_stands_in_the_register_of_gaps(copied: Copy) -> None:
    run = copied("table")
    known = run.read_json("contrasts.json")
    names = list(known["cases"])
    for name in names:
        known["cases"][name]["contrast"] = {"reason": "a predicted value has no runner-up"}
    known["cases"][names[0]]["familiar"] = {"reason": "no training example was kept"}
    run.write_json("contrasts.json", known)
    said = {f"{gap.strong} {gap.rest}" for gap in gaps(RunView(run))}
    assert "Why this answer and not the next, for any case. A predicted value has no runner-up." in said
    one = f"What the model has seen that is like it, for 1 of {len(names)} cases. No training example was kept."
    assert one in said
    (run.path / "contrasts.json").unlink()
    assert any("What would turn an answer" in gap.strong for gap in gaps(RunView(run)))
