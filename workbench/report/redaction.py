"""A run as a redacted report sees it: ids, words, cells and group values as hashes, pictures not at all.

What is hidden is taken out of the files as they are read, so that no section can print it. Class
names, column names, ranges of numbers and every measure stay: they say how good the model is, not
whom it was asked about. A hash is keyed by the run's own predictions, which are no part of the
report: whoever holds the run finds an input again, nobody else can guess one and compare.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import ArtefactError
from workbench.report.view import RunView
from workbench.run import Run, digest

NOTE = (
    "Inputs are redacted: ids, words, cells and values of groups stand here as hashes, pictures and drawings made of "
    "single inputs are left out. Whoever holds the run can look them up."
)
_HOLDS_IDS = frozenset({"id", "ids", "cases", "examples", "negative", "positive", "left_out", "neighbours"})
_SAYS_VALUES = frozenset(  # checks whose sentence names single cells in brackets
    {"unreadable", "group_leak", "constant_columns", "unseen_categories", "numbers_as_categories"}
)
_BRACKETS = re.compile(r" \((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_SETTINGS = "data.source data.validation data.test data.rationale audit.model audit.tokenizer explain.ids compare.words"


class Hashes:
    """Hashes in place of what is hidden; the same input has the same one everywhere in a run."""

    def __init__(self, run: Run) -> None:
        files = sorted(run.path.glob("*/predictions.parquet"))
        content = b"".join(path.read_bytes() for path in files[:1]) or digest(run.manifest["files"]).encode()
        self._key = hashlib.sha256(b"redacted" + content).digest()

    def __call__(self, value: Any) -> str:
        """The hash that stands for a value."""
        return "#" + hmac.new(self._key, str(value).encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:8]


class RedactedView(RunView):
    """A `RunView` from which no raw input can be read."""

    redacted = True

    @cached_property
    def hashes(self) -> Hashes:
        """The hashes of this run."""
        return Hashes(self.run)

    @cached_property
    def _ids(self) -> frozenset[str]:
        """Every id of the run's predictions."""
        there = [m for m in ("onnx", "tuned", "base") if self.run.has(f"{m}/predictions.parquet")]
        frames = [super(RedactedView, self)._parquet(f"{m}/predictions.parquet") for m in there[:1]]
        return frozenset(str(i) for frame in frames for i in frame["id"])

    @cached_property
    def _spoken(self) -> dict[str, str]:
        """Values that stand inside of sentences, the longest first: groups, words that were named, file names."""
        found: dict[str, str] = {}
        raw = self._raw("slices.json") or {}
        for entry in raw.get("slices") or []:
            found |= {str(w["value"]): self._group(raw, w) for w in entry["where"]}
        shift = self._raw("explanation_shift.json") or {}
        if shift.get("modality") == "text":
            found |= {str(e["what"]): self.hashes(e["what"]) for e in shift.get("moved_to") or []}
        source = str((self._raw("data/fingerprint.json") or {}).get("source", ""))
        if source and ":" not in source:
            parts = (source, str(Path(source).parent), Path(source).name)
            found |= {part: self.hashes(part) for part in parts if len(part) > 1}
        return dict(sorted(((k, v) for k, v in found.items() if k and k != v), key=lambda pair: -len(pair[0])))

    def _raw(self, name: str) -> Any:
        return self.run.read_json(name) if self.run.has(name) else None

    def _group(self, slices: Mapping[str, Any], where: Mapping[str, Any]) -> str:
        """A slice's value: ranges of numbers stay, categories are hashed."""
        kinds = {a["name"]: a["kind"] for a in slices.get("attributes") or []}
        ranged = kinds.get(where["attribute"]) == "range"
        return str(where["value"]) if ranged else self.hashes(where["value"])

    def said(self, text: str) -> str:
        """A sentence with what must not be said in it replaced."""
        for raw, hashed in self._spoken.items():
            text = re.sub(rf"(?<!\w){re.escape(raw)}(?!\w)", hashed, text)
        return text

    # -- what a report reads ------------------------------------------------------------

    @cached_property
    def config(self) -> dict[str, Any]:
        found = {k: dict(v) if isinstance(v, dict) else v for k, v in super().config.items()}
        for section, key in (name.split(".") for name in _SETTINGS.split()):
            value = found.get(section, {}).get(key)
            many = isinstance(value, list)
            if value and (many or ":" not in str(value)):
                found[section][key] = [self.hashes(one) for one in value] if many else self.hashes(value)
        return found

    def json(self, name: str) -> Any:
        """A JSON file of the run without raw inputs, or None where it is missing."""
        if name not in self._read:
            content = self._raw(name)
            if content is not None:
                try:
                    content = self._without_ids(content, name == "quality.json")
                    content = _CHANGES[name](self, content) if name in _CHANGES else content
                except (LookupError, TypeError, ValueError, AttributeError) as e:
                    why = f"{self.run.path / name} is damaged: {type(e).__name__} {e}"
                    raise ArtefactError(why, hint="delete it and run the config again") from None
            self._read[name] = content
        return self._read[name]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Nothing: maps and mean pictures show the inputs."""
        return {}

    def _parquet(self, name: str) -> pd.DataFrame:
        frame = super()._parquet(name)
        if "id" in frame:
            frame["id"] = [self.hashes(i) for i in frame["id"]]
        if "feature" in frame and self.modality != "table":
            frame["feature"] = [self.hashes(f) for f in frame["feature"]]
        ranges = {a["name"] for a in (self._raw("slices.json") or {}).get("attributes") or [] if a["kind"] == "range"}
        for column in frame.columns:
            if str(column).startswith("group.") and str(column).removeprefix("group.") not in ranges:
                frame[column] = [None if pd.isna(v) else self.hashes(v) for v in frame[column]]
        return frame

    def parquet(self, name: str) -> pd.DataFrame | None:
        """A Parquet file of the run without raw inputs, or None where it is missing or would show them."""
        return None if name == "global.parquet" else super().parquet(name)

    def _without_ids(self, value: Any, inside: bool) -> Any:
        """A JSON value with the ids hashed where ids stand."""
        if isinstance(value, Mapping):
            keys = {k: self.hashes(k) if inside and k in self._ids else k for k in value}
            return {keys[k]: self._without_ids(v, inside or k in _HOLDS_IDS) for k, v in value.items()}
        if isinstance(value, list):
            return [self._without_ids(v, inside) for v in value]
        return self.hashes(value) if inside and isinstance(value, str) and value in self._ids else value


# -- file by file -------------------------------------------------------------------------


def _features(view: RedactedView, case: dict[str, Any], modality: str) -> dict[str, Any]:
    """A case whose features are hashed, with a text of hashes where it has words or parts."""
    features, text = [], ""
    for place, feature in enumerate(case["features"]):
        if modality == "table":
            features.append({**feature, "value": view.hashes(feature["value"]) if feature.get("value") else ""})
            continue
        name = view.hashes(feature["name"]) if modality == "text" else f"part {place + 1}"
        text += " " if text else ""
        features.append({**feature, "name": name, "span": [len(text), len(text) + len(name)]})
        text += name
    kept = {k: v for k, v in case.items() if k not in ("picture", "segments", "text")}
    return {**kept, "features": features, "text": text}


def _cases(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    modality = str(content.get("modality", ""))
    cases = [_features(view, case, modality) for case in content.get("cases", [])]
    return {**content, "cases": cases, "modality": "part" if modality == "image" else modality}


def _contrasts(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    for case in content.get("cases", {}).values():
        for change in (case.get("counterfactual") or {}).get("changes") or []:
            if view.modality == "text":
                change["name"] = view.hashes(change["name"])
            for key in ("before", "after"):
                if key in change:
                    change[key] = view.hashes(change[key])
            change.pop("value", None)
        for near in (case.get("familiar") or {}).get("neighbours") or []:
            near["id"] = view.hashes(near["id"]) if not near["id"].startswith("#") else near["id"]
            near["excerpt"] = _row(view, near.get("excerpt")) if view.modality == "table" else ""
    return content


def _row(view: RedactedView, excerpt: str | None) -> str:
    """A training row's cells as hashes: equal cells of a case have the same ones."""
    row = json.loads(excerpt) if excerpt else {}
    spelt = {k: f"{v:.6g}" if isinstance(v, int | float) and not isinstance(v, bool) else v for k, v in row.items()}
    return json.dumps({k: None if v is None else view.hashes(v) for k, v in spelt.items()}, ensure_ascii=False)


def _global(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    for entry in (content.get("words") or {}).values():
        for row in entry["words"]:
            row["word"] = view.hashes(row["word"])
    for entry in content.get("saliency") or []:
        entry["reason"] = "pictures are redacted"
    if "partial" in content:
        content["partial"] = []  # its axis is made of cells
    return content


def _shift(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    def hidden(value: Any) -> Any:
        if isinstance(value, list):
            return [hidden(v) for v in value]
        if not isinstance(value, dict):
            return value
        return {k: view.hashes(v) if k == "what" else hidden(v) for k, v in value.items()}

    return _sentences(view, hidden(content) if content.get("modality") == "text" else content)


def _sentences(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _each_string(content, view.said)
    return found


def _slices(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    ranged = {a["name"] for a in content.get("attributes") or [] if a["kind"] == "range"}
    for entry in content.get("slices") or []:
        for where in entry["where"]:
            where["value"] = view._group(content, where)
        entry["name"] = " and ".join(f"{w['attribute']} = {w['value']}" for w in entry["where"])
    for one in content.get("attributes") or []:
        if one["name"] not in ranged:
            one["values"] = [view.hashes(v) for v in one["values"]]
            one["gaps"] = _each_string(one.get("gaps"), lambda text: view._spoken.get(text, view.said(text)))
    return content


def _weakness(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    pattern = re.compile(r"( is (?:not )?)(.+?)(?= and |$)")

    def hidden(node: dict[str, Any]) -> dict[str, Any]:
        node["words"] = pattern.sub(lambda m: m[1] + view.hashes(m[2]), node["words"])
        node["children"] = [hidden(child) for child in node.get("children") or []]
        return node

    if content.get("tree"):
        content["tree"] = hidden(content["tree"])
    content["areas"] = [hidden(area) for area in content.get("areas") or []]
    return content


def _checks(view: RedactedView, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for check in content:
        if check["check"] in _SAYS_VALUES:
            check["sentence"] = _BRACKETS.sub("", check["sentence"])
        check["examples"] = [i if i.startswith("#") else view.hashes(i) for i in check.get("examples") or []]
    return content


def _fingerprint(view: RedactedView, content: dict[str, Any]) -> dict[str, Any]:
    keep, source = content.get("labels", ()), str(content.get("source", ""))
    if content.get("name") == Path(source).stem:
        content["name"] = view.hashes(source)
    content = _each_string(content, lambda text: text if text in keep else view.said(text))
    content["skipped"] = [
        {**entry, "where": view.hashes(entry["where"]), "reason": "not said, as inputs are redacted"}
        for entry in content.get("skipped") or []
    ]
    for column in content.get("columns") or []:
        column["categories"] = [view.hashes(v) for v in column.get("categories") or []]
    content["notes"] = [*(content.get("notes") or []), NOTE]
    return content


def _each_string(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {k: _each_string(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [_each_string(v, change) for v in value]
    return change(value) if isinstance(value, str) else value


_CHANGES: dict[str, Callable[[RedactedView, Any], Any]] = {
    "cases.json": _cases,
    "flips.json": _cases,
    "contrasts.json": _contrasts,
    "global.json": _global,
    "explanation_shift.json": _shift,
    "gate.json": _sentences,
    "comparison.json": _sentences,
    "tuned/finetune.json": _sentences,
    "slices.json": _slices,
    "weakness.json": _weakness,
    "data/checks.json": _checks,
    "data/fingerprint.json": _fingerprint,
}
