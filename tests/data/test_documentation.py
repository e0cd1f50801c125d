"""The documentation fixture: texts a person can read, and no label in them."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from workbench.data import documentation as docs
from workbench.errors import DataError
from workbench.types import Dataset


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return docs.scipy_docs(0)


def test_size_and_fields(dataset: Dataset) -> None:
    counts = Counter(dataset.labels[e.target] for e in dataset.examples)
    assert 900 <= len(dataset.examples) <= 1500
    assert set(counts) == set(docs.FIELDS) and min(counts.values()) >= 50


def test_no_text_names_its_module(dataset: Dataset) -> None:
    modules = {part for modules in docs.FIELDS.values() for m in modules for part in m.split(".")}
    path = re.compile(rf"\b(?:{'|'.join(sorted(modules))})\.\w")
    for e in dataset.examples:
        assert "scipy" not in e.input.lower(), e.id
        assert not re.search(r"\b(ndimage|linalg|stats|qmc)\b", e.input), e.id
        assert not path.search(e.input), e.id
        assert not re.search(rf"\b{re.escape(e.id)}\b", e.input) or "." not in e.id, e.id


def test_texts_are_plain_and_of_the_stated_length(dataset: Dataset) -> None:
    for e in dataset.examples:
        assert docs.MIN_WORDS <= len(e.input.split()) <= docs.MAX_WORDS, e.id
        assert not re.search(r"`|:\w+:`|\]_|\\|>>>|\.\. |----|::", e.input), e.id


def test_no_text_twice_and_no_boilerplate(dataset: Dataset) -> None:
    assert len({e.input.lower() for e in dataset.examples}) == len(dataset.examples)
    assert not any("object inherits from it a collection" in e.input for e in dataset.examples)
    sentences = Counter(s for e in dataset.examples for s in set(re.split(r"(?<=\.) ", e.input)))
    assert max(sentences.values()) < docs.BOILERPLATE


def test_sister_functions_are_on_one_side(dataset: Dataset) -> None:
    words = [set(e.input.lower().split()) for e in dataset.examples]
    splits = [e.split for e in dataset.examples]
    rng = np.random.default_rng(0)
    for i in rng.choice(len(words), 200, replace=False):
        for j, other in enumerate(words):
            if len(words[i] & other) >= 0.8 * len(words[i] | other):
                assert splits[i] == splits[j], (dataset.examples[i].id, dataset.examples[j].id)


def test_a_simple_model_learns_most_of_it(dataset: Dataset) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = dataset.split("train"), dataset.split("test")
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=20, max_iter=500))
    model.fit([e.input for e in train], [e.target for e in train])
    accuracy = model.score([e.input for e in test], [e.target for e in test])
    assert 0.8 < accuracy < 0.97  # learnable, and not given away


@pytest.mark.parametrize(
    ("docstring", "sentences"),
    [
        ("Fit a line.\n\nParameters\n----------\nx : array", ["Fit a line."]),
        ("fit(x[, y])\n\nFit a line\n\nMore of it.", ["Fit a line.", "More of it."]),
        ("fit(x,\n    y)\n\nFit a line.", ["Fit a line."]),
        ("Fit it.\n\n.. versionadded:: 1.2\n\nThe fit is::\n\n    a + b\n\nwhere a is. Good.", ["Fit it.", "Good."]),
        ("See `scipy.signal.foo`. Use `scipy.signal.lfilter` or :func:`~scipy.stats.norm`.", ["Use lfilter or norm."]),
        ("Fit it. It is in `scipy.stats`, or in stats. Done.", ["Fit it.", "Done."]),
        ("Fit it [1]_. As told in [2]_. With *two* ``x`` and :math:`n + 1`.", ["Fit it.", "With two x and n + 1."]),
        (r"Fit it. Where :math:`\Gamma` is gamma.", ["Fit it."]),
        ("Fit it, e.g. by hand, i.e. slowly. Stop.", ["Fit it, e.g. by hand, i.e. slowly.", "Stop."]),
        ("Fit it.\n\n- one.\n- two.\n\n1. three.\n\n>>> fit()", ["Fit it."]),
        ("Link to `a page <https://example.org>`_ here.", ["Link to a page here."]),
        ("", []),
    ],
)
def test_describe(docstring: str, sentences: list[str]) -> None:
    assert docs.describe(docstring) == sentences


def test_cut_ends_with_a_sentence_or_a_word() -> None:
    assert docs.cut(["a " * 40 + "b.", "c " * 40 + "d.", "e."]) == "a " * 40 + "b."
    assert docs.cut(["a " * 70]) == " ".join(["a"] * 60)


def test_sister_groups_are_linked_by_shared_words() -> None:
    texts = ["one two three four five", "Five four three two one", "one two three four six", "seven eight"]
    # The first two share 5 of 5 words; the third shares 4 of 6 with them, under four fifths.
    assert docs.sister_groups(texts).tolist() == [0, 0, 1, 2]


def test_without_docstrings_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs.inspect, "getdoc", lambda value: None)  # what `python -OO` makes of it
    with pytest.raises(DataError) as caught:
        docs.scipy_docs(0)
    assert "-OO" in caught.value.hint
