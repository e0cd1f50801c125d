"""The fixtures are what their notes say: sizes, labels, splits, and nothing invented."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from workbench import registry
from workbench.data import fixtures
from workbench.errors import MissingDependency
from workbench.types import SPLITS, Dataset

SIZES = {
    "digits": 1797,
    "breast-cancer": 569,
    "diabetes": 442,
    "planted-patch": 600,
    "planted-keyword": 600,
    "planted-columns": 800,
}


@pytest.fixture(scope="module")
def made() -> dict[str, Dataset]:
    return {name: registry.load("fixtures", name)(0) for name in registry.FIXTURES}


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return a == b


@pytest.mark.parametrize("name", registry.FIXTURES)
class TestEveryFixture:
    def test_ids_are_unique_and_its_name_is_the_registry_s(self, made: dict[str, Dataset], name: str) -> None:
        dataset = made[name]
        assert dataset.name == name
        assert len({e.id for e in dataset.examples}) == len(dataset.examples)
        assert len(dataset.examples) == SIZES.get(name, len(dataset.examples))

    def test_two_calls_are_equal(self, made: dict[str, Dataset], name: str) -> None:
        again = registry.load("fixtures", name)(0)
        for a, b in zip(made[name].examples, again.examples, strict=True):
            assert (a.id, a.target, a.split, a.meta) == (b.id, b.target, b.split, b.meta)
            assert same(a.input, b.input)

    def test_another_seed_splits_otherwise(self, made: dict[str, Dataset], name: str) -> None:
        other = registry.load("fixtures", name)(1)
        assert [e.split for e in made[name].examples] != [e.split for e in other.examples]
        if not name.startswith("planted"):  # what is read stays: the seed governs the splits alone
            assert [e.id for e in made[name].examples] == [e.id for e in other.examples]
            assert all(same(a.input, b.input) for a, b in zip(made[name].examples, other.examples, strict=True))

    def test_shares_of_the_splits(self, made: dict[str, Dataset], name: str) -> None:
        sizes = Counter(e.split for e in made[name].examples)
        assert set(sizes) == set(SPLITS)
        n = sizes.total()
        assert sizes["test"] / n == pytest.approx(0.20, abs=0.02)
        assert sizes["validation"] / n == pytest.approx(0.15, abs=0.02)

    def test_no_input_is_in_two_splits(self, made: dict[str, Dataset], name: str) -> None:
        splits: dict[object, set[str]] = {}
        for e in made[name].examples:
            key = e.input.tobytes() if isinstance(e.input, np.ndarray) else str(e.input)
            splits.setdefault(key, set()).add(e.split)
        assert all(len(found) == 1 for found in splits.values())

    def test_targets_are_of_the_task(self, made: dict[str, Dataset], name: str) -> None:
        dataset = made[name]
        if dataset.labels:
            assert all(isinstance(e.target, int) for e in dataset.examples)
            counts = Counter((e.target, e.split) for e in dataset.examples)
            for index in range(len(dataset.labels)):
                n = sum(counts[index, s] for s in SPLITS)
                assert counts[index, "test"] / n == pytest.approx(0.20, abs=0.05)  # stratified
                assert counts[index, "validation"] / n == pytest.approx(0.15, abs=0.05)
        else:
            assert all(isinstance(e.target, float) and np.isfinite(e.target) for e in dataset.examples)

    def test_says_where_it_comes_from(self, made: dict[str, Dataset], name: str) -> None:
        dataset = made[name]
        assert dataset.notes and all(note.endswith(".") for note in dataset.notes)
        assert (
            "licence" in " ".join(dataset.notes)
            or "CC BY" in " ".join(dataset.notes)
            or "generated" in dataset.notes[0]
        )

    def test_inputs_fit_the_columns(self, made: dict[str, Dataset], name: str) -> None:
        dataset = made[name]
        for e in dataset.examples:
            if dataset.modality == "table":
                assert list(e.input) == [c.name for c in dataset.columns]
                for c in dataset.columns:
                    assert e.input[c.name] in c.categories if c.categories else isinstance(e.input[c.name], float)
            elif dataset.modality == "image":
                assert e.input.shape == (32, 32, 3) and e.input.dtype == np.uint8
            else:
                assert isinstance(e.input, str) and e.input == " ".join(e.input.split())


def test_digits_are_scikit_learn_s(made: dict[str, Dataset]) -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    examples = made["digits"].examples
    assert made["digits"].labels == tuple("0123456789")
    assert [e.target for e in examples] == source.target.tolist()
    assert examples[0].id == "digit-0000" and examples[-1].id == "digit-1796"
    assert not any(e.meta for e in examples)
    # Averages of blocks of the enlarged picture rise and fall with the source's ink counts.
    for e, counts in zip(examples[:50], source.images, strict=False):
        grey = e.input[:, :, 0].astype(float)
        framed = np.pad(counts, 1)
        middles = np.clip(((np.arange(10) + 0.5) * 3.2).astype(int), 0, 31)
        assert np.corrcoef(grey[np.ix_(middles, middles)].ravel(), framed.ravel())[0, 1] > 0.97


def test_enlarge_keeps_the_ends_of_the_scale() -> None:
    assert fixtures.enlarge(np.zeros((8, 8))).max() == 0
    full = fixtures.enlarge(np.full((8, 8), 16))
    assert full[16, 16].tolist() == [255, 255, 255] and full[0, 0].tolist() != [255, 255, 255]


def test_breast_cancer_is_scikit_learn_s(made: dict[str, Dataset]) -> None:
    dataset = made["breast-cancer"]
    assert dataset.labels == ("malignant", "benign")
    assert Counter(e.target for e in dataset.examples) == {0: 212, 1: 357}  # the source's own counts
    assert len(dataset.columns) == 30 and dataset.columns[0].name == "mean radius"
    assert {c.kind for c in dataset.columns} == {"numeric"} and {c.unit for c in dataset.columns} == {""}
    assert dataset.examples[0].input["mean radius"] == 17.99 and dataset.examples[0].target == 0


def test_diabetes_is_unscaled_and_sex_is_a_category(made: dict[str, Dataset]) -> None:
    dataset = made["diabetes"]
    first = dataset.examples[0]
    assert (first.input["age"], first.input["sex"], first.input["body mass index"], first.target) == (
        59.0,
        "2",
        32.1,
        151.0,
    )
    assert [c.name for c in dataset.columns if c.kind == "categorical"] == ["sex"]
    assert (dataset.target, dataset.unit, dataset.labels) == ("disease progression", "points", ())
    assert any("does not say which" in note for note in dataset.notes)
    targets = [e.target for e in dataset.examples]
    assert (min(targets), max(targets)) == (25.0, 346.0)  # the range that the source states


def test_importing_is_light() -> None:
    heavy = ("sklearn", "scipy", "matplotlib", "PIL", "torch")
    code = f"import sys, workbench.data.fixtures; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_missing_scikit_learn_is_said_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDependency) as caught:
        fixtures.digits(0)
    assert caught.value.hint == "pip install workbench[demo]"
