"""The table of measures: complete, in plain words, and light to import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from workbench import registry
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.classification import classification_measures
from workbench.metrics.regression import regression_measures
from workbench.types import ClassScores, Values


def test_every_measure_is_registered_and_every_registered_function_exists() -> None:
    assert list(MEASURES) == list(registry.METRICS)
    for name, info in MEASURES.items():
        assert callable(registry.load("metrics", name))
        assert info.text == registry.names("metrics")[name]
        assert info.text.endswith(".") and info.title and info.better in ("higher", "lower", "")


def test_exactly_the_measures_of_the_table_are_computed() -> None:
    ids, splits, t = np.arange(30).astype(str), np.full(30, "test"), np.arange(30) % 3
    scores = ClassScores(ids, splits, t, np.random.default_rng(0).normal(size=(30, 3)), ("a", "b", "c"))
    computed = classification_measures(scores, resamples=20)
    assert [m.name for m in computed] == [n for n, info in MEASURES.items() if info.takes is ClassScores]
    values = regression_measures(Values(ids, splits, t * 1.0, t + 0.1 * t**2), resamples=20)
    assert [m.name for m in values] == [n for n, info in MEASURES.items() if info.takes is Values]
    assert all(m.better == MEASURES[m.name].better for m in (*computed, *values))


def test_the_table_imports_without_heavy_libraries() -> None:
    code = (
        "import sys, workbench.metrics.catalogue;"
        "print(sorted({'torch', 'transformers', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_metrics_import_without_torch() -> None:
    code = (
        "import sys, workbench.metrics.paired, workbench.metrics.curves, workbench.metrics.regression;"
        "print(sorted({'torch', 'transformers', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
