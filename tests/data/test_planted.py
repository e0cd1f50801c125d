"""The planted evidence is where the examples say, and it alone decides."""

from __future__ import annotations

import re

import numpy as np
import pytest

from workbench.data import planted
from workbench.data.planted import planted_columns, planted_keyword, planted_patch


@pytest.mark.parametrize("seed", [0, 7])
def test_patch_box_holds_the_class_s_colour_and_nothing_else_does(seed: int) -> None:
    dataset = planted_patch(seed)
    for e in dataset.examples:
        x0, y0, x1, y1 = (int(v) for v in e.meta["evidence"].split(","))
        assert 0 <= x0 < x1 <= 32 and 0 <= y0 < y1 <= 32
        colour = planted.COLOURS[dataset.labels[e.target]]
        assert (e.input[y0:y1, x0:x1] == colour).all()
        rest = e.input.astype(int).copy()
        rest[y0:y1, x0:x1] = 0
        assert (rest.max(axis=2) == rest.min(axis=2)).all()  # grey: no other colour anywhere
        u0, v0, u1, v1 = (int(v) for v in e.meta["distractor"].split(","))
        assert (e.input[v0:v1, u0:u1] == planted.DISTRACTOR).all()


def test_patch_places_say_nothing_of_the_class() -> None:
    examples = planted_patch(0).examples
    for kind in ("evidence", "distractor"):
        places = np.array([[int(v) for v in e.meta[kind].split(",")[:2]] for e in examples])
        targets = np.array([e.target for e in examples])
        # Means of 300 places of standard deviation 9 differ by less than four standard errors.
        assert np.abs(places[targets == 0].mean(0) - places[targets == 1].mean(0)).max() < 4 * 9 * np.sqrt(2 / 300)


@pytest.mark.parametrize("seed", [0, 7])
def test_keyword_is_where_it_is_said_and_only_there(seed: int) -> None:
    dataset = planted_keyword(seed)
    for e in dataset.examples:
        words = e.input.split()
        assert 10 <= len(words) <= 20
        assert words.pop(int(e.meta["evidence"])) == planted.KEYWORDS[dataset.labels[e.target]]
        assert set(words) <= set(planted.NEUTRAL) and not set(words) & set(planted.KEYWORDS.values())


def test_neutral_words_are_words() -> None:
    assert len(set(planted.NEUTRAL)) == len(planted.NEUTRAL) >= 150
    assert all(re.fullmatch(r"[a-z]+", word) for word in planted.NEUTRAL)
    assert not set(planted.NEUTRAL) & {*planted.KEYWORDS, *planted.KEYWORDS.values()}


def test_keyword_model_finds_the_keywords_alone() -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    dataset = planted_keyword(0)
    vectorizer = CountVectorizer()
    x = vectorizer.fit_transform([e.input for e in dataset.split("train")])
    model = LogisticRegression(C=1.0).fit(x, [e.target for e in dataset.split("train")])
    test = dataset.split("test")
    assert model.score(vectorizer.transform([e.input for e in test]), [e.target for e in test]) == 1.0
    names = vectorizer.get_feature_names_out()
    assert set(names[np.argsort(-np.abs(model.coef_[0]))[:2]]) == set(planted.KEYWORDS.values())


@pytest.mark.parametrize("seed", [0, 7])
def test_columns_give_the_stated_formula_back(seed: int) -> None:
    examples = planted_columns(seed).examples
    numbers = np.array([[e.input[c] for c in "abcdefgh"] for e in examples])
    kinds = np.array([[e.input["kind"] == k for k in ("blue", "green")] for e in examples], dtype=float)
    a, b = numbers[:, 0], numbers[:, 1]
    design = np.column_stack([a, b, a * b, numbers[:, 2:], kinds, np.ones(len(a))])
    values = np.array([e.target for e in examples])
    solved, residual, *_ = np.linalg.lstsq(design, values, rcond=None)
    assert solved[:3] == pytest.approx(planted.COEFFICIENTS, abs=0.02)
    assert np.abs(solved[3:]).max() < 0.05  # nothing else says anything
    assert np.sqrt(residual[0] / len(a)) == pytest.approx(planted.NOISE, rel=0.125)  # five standard errors
    assert {e.meta["evidence"] for e in examples} == {"a,b"}
