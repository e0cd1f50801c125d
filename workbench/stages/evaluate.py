"""Evaluate: every measure with its interval, for the three models and every split."""

from __future__ import annotations

from typing import Any

from workbench.metrics import measures_of
from workbench.records import read_predictions, write_measures
from workbench.stages.predict import MODELS
from workbench.stages.session import Session, do_stage


def evaluate(session: Session) -> bool:
    """Write `<model>/metrics.json`."""

    def work(entry: dict[str, Any]) -> None:
        settings = session.config.evaluate
        with session.progress.task("evaluating", len(MODELS)) as bar:
            for model in MODELS:
                measures = measures_of(
                    read_predictions(session.run, model),
                    resamples=settings.resamples,
                    confidence=settings.confidence,
                    seed=session.config.seed,
                )
                write_measures(session.run, model, measures)
                bar.advance()

    return do_stage(session, "evaluate", work, tuple(f"{m}/metrics.json" for m in MODELS))
