"""Compare: the model before and the deployed one, paired by example."""

from __future__ import annotations

from typing import Any

from workbench.metrics.paired import compare as compare_predictions
from workbench.metrics.paired_labels import compare_labels
from workbench.records import finite, read_predictions
from workbench.stages.evaluate import clusters_of, settings_of
from workbench.stages.session import Session, do_stage
from workbench.types import LabelScores


def compare(session: Session) -> bool:
    """Write `comparison.json`: on the test split, every difference with its interval."""

    def work(entry: dict[str, Any]) -> None:
        before, after = read_predictions(session.run, "base"), read_predictions(session.run, "onnx")
        settings = {**settings_of(session), "clusters": clusters_of(session, before.ids)}
        if isinstance(before, LabelScores) and isinstance(after, LabelScores):
            found = compare_labels(before, after, split="test", **settings)
        else:
            found = compare_predictions(before, after, split="test", **settings)
        session.run.write_json("comparison.json", finite(found))

    return do_stage(session, "compare", work, ("comparison.json",))
