"""Prepare: read the data, split it, and say what is in it before anything is trained."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from workbench.coalitions import MOST
from workbench.data.checks import check
from workbench.data.fingerprint import fingerprint, target_name
from workbench.errors import DataError
from workbench.metrics.decisions import positive_class
from workbench.records import finite, parquet_bytes
from workbench.stages.session import Session, do_stage
from workbench.tasks.ranges import check_ranges

MOST_SCORES = 50_000_000  # examples times labels; a few copies of as many numbers must fit into memory


def prepare(session: Session) -> bool:
    """Write `data/`: fingerprint, checks, splits."""

    def work(entry: dict[str, Any]) -> None:
        dataset = session.dataset
        _check_size(session)
        check_ranges(session.config.explain, session.task.modality_name, dataset.columns)
        positive_class(dataset.labels, session.config.evaluate.positive)  # a wrong name must not cost a training
        data = session.config.data
        found = fingerprint(dataset, source=data.source, hashes=session.hashes)
        session.run.write_json("data/fingerprint.json", finite(found))
        checks = check(dataset, group=data.group, hashes=session.hashes)
        session.run.write_json("data/checks.json", finite(checks))
        names = [target_name(dataset, e.target) for e in dataset.examples]
        targets = [
            None if t is None else json.dumps(t, ensure_ascii=False) if isinstance(t, tuple) else str(t) for t in names
        ]
        table = pa.table(
            {
                "id": pa.array([e.id for e in dataset.examples], pa.string()),
                "split": pa.array([e.split for e in dataset.examples], pa.string()),
                "target": pa.array(targets, pa.string()),
                "sha256": pa.array(session.hashes, pa.string()),
            }
        )
        session.run.write_bytes("data/splits.parquet", parquet_bytes(table))
        entry |= {"asked": session.asked, "sha256": session.sha256}
        for finding in checks:
            if finding["level"] == "warning":
                session.progress.say(f"  ! {finding['sentence']}")

    return do_stage(session, "prepare", work, ("data",))


def _check_size(session: Session) -> None:
    """Refuse what could not be evaluated or explained, before a model is trained on it."""
    settings, dataset = session.config.explain, session.dataset
    n, columns, labels, source = (
        *(len(dataset.examples), len(dataset.columns), len(dataset.labels)),
        session.config.data.source,
    )
    if columns > MOST and (settings.samples != 0 or settings.ids or settings.global_samples != 0):
        raise DataError(
            f"{source} has {columns:,} columns; at most {MOST:,} can be hidden in turn to explain a row",
            hint="name those the model needs with data.features, leave some out with data.ignore, or explain nothing: "
            "--set explain.samples=0 --set explain.global_samples=0",
        )
    if n * labels > MOST_SCORES:
        raise DataError(
            f"{source} has {n:,} examples of {labels:,} labels: {n * labels:,} scores of each model, and at most "
            f"{MOST_SCORES:,} can be evaluated",
            hint=f"join rare labels, or take at most {max(MOST_SCORES // (3 * labels), 1):,} examples of each split: "
            f"--set data.limit={max(MOST_SCORES // (3 * labels), 1)}",
        )
