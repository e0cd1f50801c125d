"""What a view gives to sections: answers of explainers, records of measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import pandas as pd

from workbench.types import Estimate, Measure


@dataclass(frozen=True)
class Answer:
    """The attributions of one explainer: what is true of all, and the rows of each example."""

    explainer: str
    model: str  # "base", "tuned" or "onnx"
    about: Mapping[str, Any]
    rows: Mapping[str, pd.DataFrame]

    def case(self, example: str) -> Mapping[str, Any]:
        """What is known of one answer (scores, gap, evaluations, notes); empty where nothing is."""
        found: Mapping[str, Any] = self.about.get("cases", {}).get(example, {})
        return found


Record = TypeVar("Record", Measure, Estimate)


def known_record(record: type[Record], entry: Mapping[str, Any]) -> Record:
    """A record from a file's entry; keys that a later writer may add are passed over."""
    names = {field.name for field in fields(record)}
    return record(**{key: value for key, value in entry.items() if key in names})
