"""What the report reads of a run directory; nothing else of a run is seen by a section.

A file that is missing is None or empty, so that a section can say so; a file that is
damaged is an `ArtefactError`, which the section's place then shows.
"""

from __future__ import annotations

import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from workbench.errors import ArtefactError
from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.answers import Answer, known_record
from workbench.report.label_sets import with_sets
from workbench.report.limits import Limits
from workbench.report.question import question_of
from workbench.run import Run
from workbench.types import Estimate, Measure

_REBUILD = "delete it and run the config again"
_ASKED_FIRST = ("asked for", "wrong", "changed", "unsure", "right")
MODELS = {"base": N_("before"), "tuned": N_("after"), "onnx": N_("deployed")}


class RunView:
    """A run directory, read lazily and once."""

    problems: tuple[str, ...] = ()  # of the run's files, see `Run.verify`
    redacted = False  # whether raw inputs are kept from it, see `redaction`

    def __init__(
        self, run: Run, *, title: str = "", limits: Limits | None = None, read: dict[str, Any] | None = None
    ) -> None:
        self.run = run
        self.limits = limits or Limits()
        self._title = title
        self._read: dict[str, Any] = {} if read is None else read  # files by name; views may share what they read
        self.broken: dict[str, str] = {}  # title of each part that could not be built, and why

    # -- identity ---------------------------------------------------------------------

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self.run.manifest

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config as it stands in the run, or an empty mapping."""
        if not self.run.has("config.toml"):
            return {}
        path = self.run.path / "config.toml"
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise ArtefactError(f"{path} is damaged: {e}", hint="restore it, or run the config again") from None

    @property
    def name(self) -> str:
        return str(self.manifest.get("name") or self.run.path.name)

    @property
    def task(self) -> str:
        return str(self.manifest.get("task", ""))

    @property
    def regression(self) -> bool:
        return self.task.endswith("regression")

    @property
    def multilabel(self) -> bool:
        return self.task.endswith("multilabel")

    @property
    def audited(self) -> bool:
        """Whether the model was made elsewhere: there is none before, and nothing was trained."""
        return self.manifest.get("kind") == "audit"

    @property
    def sides(self) -> tuple[str, ...]:
        """Whose explanations there are: of the model before and after, or of the one that is audited."""
        return ("after",) if self.audited else ("before", "after")

    @property
    def models(self) -> dict[str, str]:
        """The models of the run by folder, as they are called."""
        return {"onnx": MODELS["onnx"]} if self.audited else MODELS

    @property
    def after(self) -> str:
        """The model that is explained, in words."""
        return _("the deployed model") if self.audited else _("the model after")

    @property
    def score(self) -> str:
        """The unit of a class's score."""
        kind = (self.json("onnx/contract.json") or {}).get("kind") if self.audited else ""
        return "log p" if kind in ("probabilities", "sigmoid", "probability") and not self.multilabel else "logit"

    def called(self, who: str) -> str:
        """A side as it is called."""
        return _(MODELS["onnx"] if self.audited and who == "after" else who)

    @property
    def headline(self) -> str:
        """The measure that the first screen speaks of."""
        return "mae" if self.regression else "subset_accuracy" if self.multilabel else "accuracy"

    @property
    def title(self) -> str:
        """The title that was asked for, the config's, or the question that the model answers."""
        given = self._title or self.config.get("report", {}).get("title") or self.manifest.get("title")
        return str(given) if given else self.question

    @property
    def question(self) -> str:
        """What the model decides, as one plain question."""
        return question_of(self.modality, self.labels, target=self._target, several=self.multilabel)

    @property
    def _target(self) -> str:
        """Name of the value that is predicted; empty where classes are."""
        return str(self.fingerprint.get("target_name", "value")).replace("_", " ") if self.regression else ""

    # -- data -------------------------------------------------------------------------

    @property
    def fingerprint(self) -> dict[str, Any]:
        return self.json("data/fingerprint.json") or {}

    @property
    def checks(self) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] | None = self.json("data/checks.json")
        return found

    @property
    def modality(self) -> str:
        return str(self.fingerprint.get("modality", ""))

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in self.fingerprint.get("labels", [])]

    @property
    def unit(self) -> str:
        return str(self.fingerprint.get("unit") or "")

    def predictions(self, model: str, split: str = "") -> pd.DataFrame | None:
        """One model's predictions, of one split where it is named; a set of labels is one answer. Not to be changed."""
        key = f"{model}/predictions.parquet"
        if key not in self._read:
            self._read[key] = with_sets(self._parquet(key)) if self.run.has(key) else None
        frame: pd.DataFrame | None = self._read[key]
        if frame is None or not split:
            return frame
        if f"{key}:{split}" not in self._read:
            chosen = frame["split"] == split
            self._read[f"{key}:{split}"] = frame if chosen.all() else frame[chosen].reset_index(drop=True)
        found: pd.DataFrame = self._read[f"{key}:{split}"]
        return found

    def measures(self, model: str, split: str = "test") -> dict[str, Measure]:
        """The measures of one model on one split, by name, in the file's order."""
        found = {}
        for entry in self.json(f"{model}/metrics.json") or []:
            if entry["split"] == split:
                per_class = {k: known_record(Estimate, v) for k, v in (entry.get("per_class") or {}).items()}
                found[entry["name"]] = known_record(Measure, {**entry, "per_class": per_class})
        return found

    @property
    def shipped(self) -> str:
        """The model that the report judges: the deployed file where there is one."""
        return next((m for m in ("onnx", "tuned", "base") if self.run.has(f"{m}/predictions.parquet")), "")

    @property
    def finetune(self) -> dict[str, Any]:
        return self.json("tuned/finetune.json") or {}

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The lines of the training history."""
        path = self.run.path / "tuned/history.jsonl"
        if not path.is_file():
            return []
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (json.JSONDecodeError, UnicodeDecodeError) as e:
            raise ArtefactError(f"{path} is damaged: {e}", hint=_REBUILD) from None

    # -- explanations -----------------------------------------------------------------

    @cached_property
    def cases(self) -> list[dict[str, Any]]:
        """The explained examples, those first that a reader asks for first: wrong, then changed, unsure, right."""
        place = {why: i for i, why in enumerate(_ASKED_FIRST)}
        found = (self.json("cases.json") or {}).get("cases", [])
        return sorted(found, key=lambda case: place.get(case.get("why", ""), len(place)))

    @cached_property
    def shown(self) -> list[dict[str, Any]]:
        """The explained examples that the report has room for: an even sample in their order."""
        most = self.limits.cases
        if len(self.cases) <= most:
            return self.cases
        return [self.cases[int(i)] for i in np.linspace(0, len(self.cases) - 1, most).round()] if most else []

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Example id to the anchor of its case, for the cases that are shown."""
        return {case["id"]: f"case-{i + 1}" for i, case in enumerate(self.shown)}

    @cached_property
    def answers(self) -> dict[str, dict[str, Answer]]:
        """Model to explainer to answers."""
        found: dict[str, dict[str, Answer]] = {model: {} for model in MODELS}
        for model in MODELS:
            for name in self.run.files(f"{model}/attributions"):
                if name.endswith(".parquet"):
                    explainer = Path(name).stem
                    about = self.json(name.removesuffix(".parquet") + ".json") or {}
                    rows = {str(k): v.sort_values("index") for k, v in self._parquet(name).groupby("id", sort=False)}
                    found[model][explainer] = Answer(explainer, model, about, rows)
        return found

    @property
    def explainers(self) -> list[str]:
        """Every explainer with an answer, in the config's order, then by name."""
        wanted = list(self.config.get("explain", {}).get("methods", []))
        there = {name for of_model in self.answers.values() for name in of_model}
        return [n for n in wanted if n in there] + sorted(there - set(wanted))

    def answer(self, who: str, explainer: str) -> Answer | None:
        """The answers of the model before, or after (the deployed file's where it was asked)."""
        models = ("base",) if who == "before" else ("onnx", "tuned")
        return next((self.answers[m][explainer] for m in models if explainer in self.answers[m]), None)

    def dense(self, model: str, explainer: str) -> dict[str, np.ndarray]:
        """Maps at the picture's own resolution, by example; empty where there are none."""
        return self.arrays(f"{model}/attributions/{explainer}.safetensors")

    def parquet(self, name: str) -> pd.DataFrame | None:
        """A Parquet file of the run, or None where it is missing."""
        if name not in self._read:
            self._read[name] = self._parquet(name) if self.run.has(name) else None
        found: pd.DataFrame | None = self._read[name]
        return found

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """A safetensors file of the run; empty where it is missing."""
        if name not in self._read:
            self._read[name] = self._safetensors(name) if self.run.has(name) else {}
        found: dict[str, np.ndarray] = self._read[name]
        return found

    def quality(self, model: str, explainer: str, example: str) -> dict[str, Any]:
        """Measures, light and reasons of one explanation; empty where it was not assessed."""
        cases = (self.json("quality.json") or {}).get("cases", {})
        found: dict[str, Any] = cases.get(model, {}).get(explainer, {}).get(example, {})
        return found

    @property
    def comparison(self) -> dict[str, Any]:
        return self.json("comparison.json") or {}

    # -- files ------------------------------------------------------------------------

    def json(self, name: str) -> Any:
        """A JSON file of the run, or None where it is missing."""
        if name not in self._read:
            self._read[name] = self.run.read_json(name) if self.run.has(name) else None
        return self._read[name]

    def _parquet(self, name: str) -> pd.DataFrame:
        try:
            return pq.read_table(self.run.path / name).to_pandas()
        except (OSError, ValueError) as e:  # pyarrow's own errors are ValueErrors and OSErrors
            raise ArtefactError(f"{self.run.path / name} is damaged: {e}", hint=_REBUILD) from None

    def _safetensors(self, name: str) -> dict[str, np.ndarray]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(self.run.path / name)
        except SafetensorError as e:
            raise ArtefactError(f"{self.run.path / name} is damaged: {e}", hint=_REBUILD) from None
