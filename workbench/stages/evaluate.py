"""Evaluate: every measure with its interval, for the run's models and every split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.data.records import MISSING
from workbench.metrics.classification import classification_measures
from workbench.metrics.decisions import decisions
from workbench.metrics.label_evaluation import label_measures
from workbench.metrics.regression import regression_measures
from workbench.metrics.thresholds import Wanted
from workbench.records import finite, read_predictions, write_measures
from workbench.stages.session import Session, do_stage
from workbench.types import ClassScores, LabelScores, Measure, Values

# Prediction type to the function that measures it.
MEASURES_OF: dict[type, Callable[..., list[Measure]]] = {
    ClassScores: classification_measures,
    LabelScores: label_measures,
    Values: regression_measures,
}


def evaluate(session: Session) -> bool:
    """Write `<model>/metrics.json` and `<model>/decisions.json`."""

    def work(entry: dict[str, Any]) -> None:
        with session.progress.task("evaluating", len(session.predictors)) as bar:
            for model in session.predictors:
                predictions = read_predictions(session.run, model)
                settings = {**settings_of(session), "clusters": clusters_of(session, predictions.ids)}
                own = {"positive": session.config.evaluate.positive} if isinstance(predictions, ClassScores) else {}
                write_measures(session.run, model, MEASURES_OF[type(predictions)](predictions, **settings, **own))
                found = decisions(predictions, wanted_of(session), **settings)
                session.run.write_json(f"{model}/decisions.json", finite(found))
                bar.advance()

    return do_stage(
        session, "evaluate", work, tuple(f"{m}/{n}.json" for m in session.predictors for n in ("metrics", "decisions"))
    )


def settings_of(session: Session) -> dict[str, Any]:
    """Resamples, confidence and seed, as the metrics take them."""
    wanted = session.config.evaluate
    return {"resamples": wanted.resamples, "confidence": wanted.confidence, "seed": session.config.seed}


def wanted_of(session: Session) -> Wanted:
    """The class that is looked for and the rules by which its threshold is chosen."""
    return Wanted(**session.config.evaluate.model_dump(include=set(Wanted.__dataclass_fields__)))


def clusters_of(session: Session, ids: np.ndarray) -> np.ndarray | None:
    """The group (patient, user) of each example where one is named: groups are resampled as a whole."""
    group = session.config.data.group
    if not group:
        return None
    found = [session.dataset.by_id[str(i)].meta[group] for i in ids]
    return np.array([i if g == MISSING else g for i, g in zip(ids, found, strict=True)], dtype=object)
