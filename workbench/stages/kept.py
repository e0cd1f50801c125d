"""What was explained, kept part by part until all is: a stage that was interrupted goes on with the part it was at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from workbench.bank import Bank
from workbench.engines.shards import remove_shards
from workbench.errors import MissingDependency, Refusal
from workbench.explainers import Explainer, run_explainer
from workbench.records import finite
from workbench.run import digest, write_atomically
from workbench.types import Attribution

_ARRAYS = ("values", "low", "high", "dense")
_REST = ("explainer", "base_score", "score", "gap", "evaluations", "seconds", "seed")


@dataclass(frozen=True)
class Answered:
    """What one side of the models said of one case.

    Attributes:
        outputs: (n, K) float64 scores of its bank.
        found: of each method in order the model that was asked and its answer, or why there is none.
    """

    outputs: np.ndarray
    found: tuple[tuple[str, Attribution | str], ...]


class Kept:
    """Parts of the explained cases on disk, each a file that is written atomically.

    Args:
        folder: where they lie until `remove`.
        key: hash of all that they depend on; parts of another key are removed.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self._name = folder, digest([key])[:16]
        if folder.is_dir():
            for old in folder.iterdir():
                if not old.name.startswith(self._name):
                    old.unlink()

    def _path(self, start: int) -> Path:
        return self._folder / f"{self._name}-{start:09d}"

    def write(self, start: int, part: Sequence[Sequence[Answered]], spent: dict[str, Any]) -> None:
        """Keep the sides' answers to each case of the part that begins at a case.

        Args:
            start: the place of the part's first case.
            part: of each case, of each side.
            spent: what asking took: `seconds` and `evaluations`.
        """
        arrays: dict[str, np.ndarray] = {}
        about: list[Any] = []
        for i, sides in enumerate(part):
            about.append([])
            for j, side in enumerate(sides):
                arrays[f"{i}.{j}"] = np.ascontiguousarray(side.outputs, dtype=np.float64)
                answers: list[dict[str, Any]] = []
                for k, (model, found) in enumerate(side.found):
                    if isinstance(found, str):
                        answers.append({"model": model, "refused": found})
                        continue
                    for name in _ARRAYS:
                        if (array := getattr(found, name)) is not None:
                            arrays[f"{i}.{j}.{k}.{name}"] = np.ascontiguousarray(array)
                    facts = {name: getattr(found, name) for name in _REST}
                    answers.append({"model": model, "facts": facts, "params": dict(found.params)})
                about[-1].append(answers)
        text = json.dumps({"cases": finite(about), "spent": spent}, ensure_ascii=False, allow_nan=False)
        write_atomically(self._path(start), save(arrays, metadata={"workbench": text}))

    def read(self, start: int, cases: Sequence[Any]) -> tuple[list[list[Answered]], dict[str, Any]] | None:
        """The part that begins at a case, and what it took; None where it is not there."""
        path = self._path(start)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()["workbench"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            if len(about["cases"]) != len(cases):
                return None
            return [
                [self._side(arrays, f"{i}.{j}", answers, case) for j, answers in enumerate(sides)]
                for i, (case, sides) in enumerate(zip(cases, about["cases"], strict=True))
            ], about["spent"]
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            return None  # damaged: it is made again

    def _side(self, arrays: dict[str, np.ndarray], place: str, answers: list[Any], case: Any) -> Answered:
        found: list[tuple[str, Attribution | str]] = []
        for k, answer in enumerate(answers):
            if "refused" in answer:
                found.append((answer["model"], answer["refused"]))
                continue
            own = {name: arrays.get(f"{place}.{k}.{name}") for name in _ARRAYS}
            facts = {**answer["facts"], **own, "params": answer["params"]}
            facts |= {"example_id": case["id"], "question": case["question"], "features": case["cut"].features}
            found.append((answer["model"], Attribution(**facts)))
        return Answered(arrays[place], tuple(found))

    def remove(self) -> None:
        """All is explained: the parts are no longer needed."""
        remove_shards(self._folder)


def answered(asked: Any, methods: list[Explainer], kept: Kept) -> Iterator[tuple[dict[str, Any], list[Answered]]]:
    """Every case with what its models said; parts that an earlier attempt kept are taken as they are."""
    asker, whole, sides = asked.asker, len(asked.cases), asked.session.sides.values()
    for start, part in asked.parts():
        known = kept.read(start, part)
        if known is not None:
            answers, spent = known
            asker.seconds += spent["seconds"]
            asker.evaluations += spent["evaluations"]
        else:
            seconds, evaluations = asker.seconds, asker.evaluations
            answers = [
                [_answered(asked, case, side, bank, methods) for side, bank in zip(sides, banks, strict=True)]
                for case, banks in zip(part, asked.grown(part, asked.session.sides), strict=True)
            ]
            spent = {"seconds": asker.seconds - seconds, "evaluations": asker.evaluations - evaluations}
            if start + len(part) < whole:  # after the last one the files themselves are written
                kept.write(start, answers, spent)
        yield from zip(part, answers, strict=True)


def _answered(
    asked: Any, case: dict[str, Any], side: tuple[str, str], bank: Bank, methods: list[Explainer]
) -> Answered:
    black_box, gradient = side
    found: list[tuple[str, Attribution | str]] = []
    for method in methods:
        own, model = bank if method.uses_bank else None, black_box
        try:
            model = asked.model_for(case, method, black_box, gradient)
            probe = asked.probe(case, model)
            seed = asked.session.config.seed
            found.append((model, run_explainer(method, probe, bank=own, seed=seed, budget=asked.budget)))
        except (Refusal, MissingDependency) as e:
            found.append((model, e.message))
    return Answered(np.asarray(bank.outputs, dtype=np.float64), tuple(found))
