"""Checks on columns: each finding on a table made to show it, and none on random columns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.data.column_checks import (
    constant_columns,
    id_columns,
    listed,
    missing_values,
    numbers_as_categories,
    target_leak,
    unseen_categories,
)
from workbench.types import Column, Dataset, Example

RNG = np.random.default_rng(0)
TRAIN, TEST = 80, 20
NOISE = RNG.normal(size=TRAIN + TEST).tolist()
KINDS = [str(k) for k in RNG.choice(["a", "b", "c"], TRAIN + TEST)]
CLASSES = [int(c) for c in RNG.integers(0, 2, TRAIN + TEST)]


def table(targets=CLASSES, labels=("no", "yes"), **columns):
    made = []
    for name, cells in columns.items():
        words = {c for c in cells[:TRAIN] if isinstance(c, str)}
        made.append(Column(name, "categorical" if words else "numeric", tuple(sorted(words))))
    examples = tuple(
        Example(
            f"e{i}", {name: cells[i] for name, cells in columns.items()}, targets[i], "train" if i < TRAIN else "test"
        )
        for i in range(TRAIN + TEST)
    )
    return Dataset("toy", "table", examples, labels=labels, columns=tuple(made))


CLEAN = {"noise": NOISE, "kind": KINDS}


@pytest.mark.parametrize("check", [missing_values, constant_columns, unseen_categories, id_columns, target_leak])
def test_random_columns_are_ok(check):
    for targets, labels in ((CLASSES, ("no", "yes")), (RNG.normal(size=TRAIN + TEST).tolist(), ())):
        finding = check(table(targets, labels, **CLEAN))
        assert (finding.level, finding.n) == ("ok", 0)


def test_missing_cells_are_counted_by_row_and_column():
    a = [None if i in (0, 1) else float("nan") if i == 2 else v for i, v in enumerate(NOISE)]
    b = [None if i in (2, 90) else v for i, v in enumerate(KINDS)]
    finding = missing_values(table(a=a, b=b))
    assert (finding.level, finding.n, list(finding.examples)) == ("note", 4, ["e0", "e1", "e2", "e90"])
    assert "a 3 (3.0%), b 2 (2.0%)" in finding.sentence
    assert missing_values(table(a=[None] * 60 + NOISE[60:])).level == "warning"


def test_nearly_constant_columns_are_named():
    almost = [1.0] + [0.0] * (TRAIN + TEST - 1)
    finding = constant_columns(table(same=["x"] * 100, almost=almost, **CLEAN))
    assert finding.sentence == "Constant in training: same (x)."
    assert "almost" not in finding.sentence  # 79 of 80 is below 99 %
    assert constant_columns(table(void=[float("nan")] * 100)).sentence == "Constant in training: void (missing)."
    assert constant_columns(table(three=[3.0] * 100)).sentence == "Constant in training: three (3)."
    many = table(x=[0.5] * 100, targets=CLASSES).examples[0]
    examples = tuple(dataclasses.replace(many, id=f"e{i}", input={"x": 0.25 if i else 1.0}) for i in range(3000))
    finding = constant_columns(Dataset("toy", "table", examples, labels=("a", "b"), columns=(Column("x", "numeric"),)))
    assert finding.sentence == "Nearly constant in training: x (0.25 in 99.9%)."
    both = table(same=["x"] * 100, almost=[*NOISE[:1], *[0.5] * 99], **CLEAN)
    more = (*both.examples, *(dataclasses.replace(both.examples[5], id=f"more {i}") for i in range(900)))
    assert constant_columns(dataclasses.replace(both, examples=more)).sentence.startswith(
        "Constant in training: same (x); nearly so: almost (0.5 in 99.9%)"
    )


def test_unseen_categories_are_named_with_their_rows():
    kinds = [*KINDS[:98], "new", "newer"]
    finding = unseen_categories(table(kind=kinds, noise=NOISE))
    assert (finding.level, finding.n, list(finding.examples)) == ("note", 2, ["e98", "e99"])
    assert "kind ('new', 'newer')" in finding.sentence
    most = [*KINDS[:TRAIN], *(f"new {i}" for i in range(11)), *KINDS[TRAIN + 11 :]]
    assert unseen_categories(table(kind=most)).level == "warning"


def test_columns_that_name_rows():
    ids = [f"user {i}" for i in range(100)]
    counter = [float(i + 1000) for i in RNG.permutation(100)]
    finding = id_columns(table(name=ids, row=counter, **CLEAN))
    assert (finding.level, finding.n) == ("warning", 2)
    assert "name (80 / 80), row" in finding.sentence
    twice = [*ids[:3], *ids[:97]]  # a few rows stand twice
    assert "twice (77 / 80)" in id_columns(table(twice=twice)).sentence
    assert id_columns(table(often=[*ids[:5], *ids[:95]])).n == 0
    assert id_columns(table(row=[counter[1], *counter[1:]])).n == 0


def test_numbers_with_a_stray_word():
    cells = [str(i) for i in range(99)]
    finding = numbers_as_categories(table(age=["unknown", *cells]))
    assert finding is not None
    assert (finding.level, finding.n, list(finding.examples)) == ("warning", 1, ["e0"])
    assert id_columns(table(age=["unknown", *cells])).n == 0  # it is told once
    assert "age (1 / 100; 'unknown' in e0)" in finding.sentence and "data.categorical" in finding.sentence
    assert numbers_as_categories(table(**CLEAN)) is None
    assert numbers_as_categories(table(code=["0", *cells])) is None  # listed as categories on purpose


@pytest.mark.parametrize("cell", ["1,234", "-1.234,50", "0,5", "12 500", "1'000'000.25"])
def test_numbers_as_people_write_them(cell):
    finding = numbers_as_categories(table(amount=[cell, "7", *[f"{cell}"] * 98]))
    assert finding is not None and f"amount (99 / 100; {cell!r} in e0)" in finding.sentence


def test_numbers_that_are_meant_as_categories_or_are_few():
    def found(cells, meant=False):
        made = table(code=cells)
        columns = tuple(dataclasses.replace(c, meant=meant) for c in made.columns)
        return numbers_as_categories(dataclasses.replace(made, columns=columns))

    assert found(["x", *map(str, range(99))]) is not None
    assert found(["x", *map(str, range(99))], meant=True) is None
    assert found(["x"] * 20 + ["1"] * 80) is not None
    assert found(["x"] * 21 + ["1"] * 79) is None
    assert found(["x"] + ["1"] * 4 + [None] * 95) is None
    assert found(["n/a"] * 60 + ["x"] + ["1"] * 39) is not None  # what says that a number is missing does not count
    assert found(["24.12.2023"] * 100) is None and found(["1-2-3"] * 100) is None


def test_a_column_that_gives_the_class_away():
    copy = [f"class {c}" for c in CLASSES]
    threshold = [c * 10 + abs(v) for c, v in zip(CLASSES, NOISE, strict=True)]
    finding = target_leak(table(copy=copy, threshold=threshold, **CLEAN))
    assert (finding.level, finding.n) == ("warning", 2)
    assert "copy, threshold" in finding.sentence


def test_a_column_that_nearly_gives_the_class_away_is_no_leak():
    copy = [f"class {c}" for c in CLASSES]
    copy[0] = "class 1" if copy[0] == "class 0" else "class 0"
    threshold = [c * 10 + abs(v) for c, v in zip(CLASSES, NOISE, strict=True)]
    threshold[0] = 0.5 if CLASSES[0] else 10.5
    assert target_leak(table(copy=copy, threshold=threshold)).n == 0


def test_a_column_that_is_the_value_in_other_units():
    values = RNG.normal(size=100).tolist()
    celsius = [v * 1.8 + 32 for v in values]
    close = [v + 0.05 * n for v, n in zip(values, NOISE, strict=True)]
    finding = target_leak(table(values, (), fahrenheit=celsius, close=close, flat=[1.0] * 100, kind=KINDS))
    assert (finding.n, "fahrenheit;" in finding.sentence) == (1, True)


def test_long_lists_are_shortened():
    assert listed("abcdefghij") == "a, b, c, d, e, f, g, h and 2 more"
