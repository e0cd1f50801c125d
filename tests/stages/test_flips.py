"""Answers that turned: which are explained, and that their values are Shapley values of the question."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from runs import copy_of, made

from workbench.run import Run
from workbench.stages.flips import FOLDER, NAME, choose_flips, flips
from workbench.stages.session import Session

LOST, WON = [f"n{i}" for i in range(30)], [f"p{i}" for i in range(50)]


def turned(run: Run) -> list[tuple[str, str]]:
    """Recomputed from the predictions: (id, kind)."""
    base, after = (pd.read_parquet(run.path / m / "predictions.parquet") for m in ("base", "onnx"))
    both = base[base["split"] == "test"].merge(after, on="id")
    was, now = both["predicted_x"] == both["target_x"], both["predicted_y"] == both["target_x"]
    return sorted(
        (str(i), "negative" if w else "positive") for i, w, n in zip(both["id"], was, now, strict=True) if w != n
    )


class TestChoice:
    def test_all_where_they_fit(self) -> None:
        chosen, said = choose_flips({"negative": LOST, "positive": WON}, 80)
        assert chosen == [(i, "negative") for i in LOST] + [(i, "positive") for i in WON]
        assert said == "All 80 are explained."

    def test_beyond_the_bound_the_surest_lost_ones_and_an_even_sample_of_the_others(self) -> None:
        chosen, said = choose_flips({"negative": LOST, "positive": WON}, 20)
        assert [i for i, why in chosen if why == "negative"] == LOST[:10]
        assert [i for i, why in chosen if why == "positive"] == [
            WON[round(k * 49 / 9)] for k in range(10)
        ]  # from the surest to the least sure in equal steps
        assert said.startswith("20 of 80 are explained (compare.flips = 20)")
        assert "of the 30 that are now wrong the 10 surest" in said and "of the 50 that are now right 10" in said

    @pytest.mark.parametrize(("lost", "won", "most", "expected"), [(3, 50, 20, (3, 17)), (30, 2, 20, (18, 2)),
                                                                   (30, 50, 1, (1, 0)), (5, 5, 0, (0, 0)),
                                                                   (0, 50, 7, (0, 7))])  # fmt: skip
    def test_what_one_kind_leaves_goes_to_the_other(
        self, lost: int, won: int, most: int, expected: tuple[int, int]
    ) -> None:
        chosen, _ = choose_flips({"negative": LOST[:lost], "positive": WON[:won]}, most)
        whys = [why for _, why in chosen]
        assert (whys.count("negative"), whys.count("positive")) == expected
        assert len({i for i, _ in chosen}) == len(chosen)

    def test_none(self) -> None:
        assert choose_flips({"negative": [], "positive": []}, 20) == ([], "No answer turned right or wrong.")


@pytest.mark.parametrize("kind", ["classes", "texts", "pictures"])
def test_every_answer_that_turned_has_its_attributions_under_both_models(kind: str) -> None:
    run = made(kind)
    found = run.read_json(NAME)
    assert sorted((c["id"], c["why"]) for c in found["cases"]) == turned(run) != []
    assert found["explained"] == len(found["cases"]) == found["negative"] + found["positive"]
    for model in ("base", "onnx"):
        table = pd.read_parquet(run.path / model / FOLDER / "shap.parquet")
        assert table.groupby("id").size().to_dict() == {c["id"]: len(c["features"]) for c in found["cases"]}
        predictions = pd.read_parquet(run.path / model / "predictions.parquet").set_index("id")
        about = run.read_json(f"{model}/{FOLDER}/shap.json")["cases"]
        for case in found["cases"]:
            row, asked = predictions.loc[case["id"]], case["question"]
            assert asked["text"] == f"Why {case['after']['label']} and not {case['before']['label']}?"
            difference = row[f"logit.{case['after']['label']}"] - row[f"logit.{case['before']['label']}"]
            assert about[case["id"]]["score"] == pytest.approx(difference, abs=1e-4)
            assert (difference > 0) == (model == "onnx")  # what is explained is what changed its sign
            values = table.loc[table["id"] == case["id"], "value"].sum()
            assert values == pytest.approx(about[case["id"]]["score"] - about[case["id"]]["base_score"], abs=1e-9)


def test_the_values_are_shapley_values_by_definition() -> None:
    """Tables of three columns: every coalition is asked of the deployed file here, rows of the background mixed in."""
    run = made("classes")
    session = Session.open(run.path, device="cpu")
    case = run.read_json(NAME)["cases"][0]
    labels = [case["after"]["label"], case["before"]["label"]]
    k, other = (session.dataset.labels.index(name) for name in labels)
    from workbench.stages.explain import Asked

    background = [session.dataset.examples[int(i)].input for i in Asked(session).chosen_background.places]  # type: ignore[union-attr]
    own = session.dataset.by_id[case["id"]].input
    names = [f["name"] for f in case["features"]]

    def answer(kept: tuple[str, ...]) -> float:
        rows = [{**row, **{name: own[name] for name in kept}} for row in background]
        batch = session.task.modality.encode(rows, session.preparation).batch(np.arange(len(rows)))
        scores = session.onnx.outputs(batch)
        return float((scores[:, k] - scores[:, other]).mean())

    m, value = len(names), {}
    for kept in itertools.chain.from_iterable(itertools.combinations(names, s) for s in range(m + 1)):
        value[frozenset(kept)] = answer(kept)
    expected = []
    for name in names:
        others = [n for n in names if n != name]
        expected.append(
            sum(
                math.factorial(len(s)) * math.factorial(m - len(s) - 1) / math.factorial(m)
                * (value[frozenset(s) | {name}] - value[frozenset(s)])
                for s in itertools.chain.from_iterable(itertools.combinations(others, r) for r in range(m))
            )
        )  # fmt: skip
    table = pd.read_parquet(run.path / "onnx" / FOLDER / "shap.parquet")
    found = table[table["id"] == case["id"]].sort_values("index")["value"].to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_of_several_labels_the_one_that_turned_is_asked_for() -> None:
    run = made("labelled-texts")
    cases = run.read_json(NAME)["cases"]
    assert cases
    for case in cases:
        changed = set(case["before"]["labels"]) ^ set(case["after"]["labels"])
        asked = case["question"]["text"].removeprefix("Why not ").removeprefix("Why ").removesuffix("?")
        assert asked in changed
        assert case["question"]["text"].startswith("Why not ") == (asked not in case["after"]["labels"])


def test_values_do_not_turn() -> None:
    found = made("values").read_json(NAME)
    assert found["explained"] == 0 and found["selection"] == (
        "A predicted value is off by more or less; it does not turn."
    )


def test_a_bound_is_kept_and_said(tmp_path: Path) -> None:
    run = copy_of("texts", tmp_path)
    session = Session.open(run.path, device="cpu")
    config = session.config.model_copy(update={"compare": session.config.compare.model_copy(update={"flips": 2})})
    assert flips(Session(run, config, "cpu", session.progress))
    found: dict[str, Any] = run.read_json(NAME)
    assert found["explained"] == 2 and found["negative"] + found["positive"] > 2
    assert "compare.flips = 2" in found["selection"] and run.verify() == []
    lost = sorted(c["id"] for c in found["cases"] if c["why"] == "negative")
    assert lost == sorted(run.read_json("comparison.json")["flips"]["negative"][: len(lost)])
