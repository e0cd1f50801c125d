"""What `explain` found, written as it comes: its memory does not grow with the number of cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.errors import ExplainError
from workbench.explainers import Explainer
from workbench.records import AttributionWriter, finite
from workbench.spool import Items, Tensors
from workbench.stages.session import Session
from workbench.types import Attribution


class Written:
    """The files of the stage; call `discard` whatever happens.

    Args:
        session: of the run.
        asked: the cases, as `workbench.stages.explain.Asked`.
    """

    def __init__(self, session: Session, asked: Any) -> None:
        self._session, self._asked, self._n = session, asked, 0
        path = session.run.path
        self._cases = Items(path / "cases.json", "cases")
        self._banks = {m: Tensors(path / m / "bank.safetensors") for m, _ in session.sides.values()}
        self._answers: dict[tuple[str, str], AttributionWriter] = {}
        self._spent: dict[tuple[str, str], dict[str, Any]] = {}
        self._refused: list[dict[str, str]] = []

    def case(self, case: dict[str, Any]) -> None:
        """The next case, before anything else of it."""
        self._cases.add(finite(self._asked.described(self._n, case)))
        self._n += 1

    def bank(self, model: str, case: dict[str, Any], outputs: np.ndarray) -> None:
        """A case's bank: the model's scores (n, K); the masks follow from the seed."""
        self._banks[model].add(case["id"], outputs)

    def refuse(self, case: dict[str, Any], method: Explainer, model: str, reason: str) -> None:
        """A method that cannot answer a case truthfully."""
        about = {"explainer": method.name, "title": method.title, "model": model}
        self._refused.append(about | {"id": case["id"], "reason": reason})

    def answer(self, model: str, method: Explainer, found: Attribution) -> None:
        """One attribution of one model."""
        key = (model, method.name)
        if key not in self._answers:
            facts = {
                "explainer": method.name,
                "title": method.title,
                "caption": method.caption,
                "backbone": model,
                "filler": self._asked.filler_of(method, found),
                "unit": "" if method.unitless else found.question.unit,
                "unitless": method.unitless,
                "seed": self._session.config.seed,
                "library": method.library,
            }
            self._answers[key] = AttributionWriter(self._session.run, model, facts)
            self._spent[key] = {"seconds": 0.0, "evaluations": 0, "cases": 0}
        self._answers[key].add(found)
        spent = self._spent[key]
        spent["seconds"] += found.seconds
        spent["evaluations"] += int(found.evaluations)
        spent["cases"] += 1

    def close(self) -> None:
        """Put every file in its place.

        Raises:
            ExplainError: no method answered any case.
        """
        if self._refused and not self._answers:
            raise ExplainError(self._refused[0]["reason"], hint="choose methods by `workbench list explainers`")
        session, asker = self._session, self._asked.asker
        session.timings["banks"] = {"seconds": round(asker.seconds, 3), "evaluations": asker.evaluations}
        for (model, name), writer in self._answers.items():
            writer.close()
            spent = self._spent[model, name]
            session.timings[f"{model}/{name}"] = spent | {"seconds": round(spent["seconds"], 3)}
        for bank in self._banks.values():
            bank.close()
        self._cases.close(finite(self._asked.about()), finite({"refused": self._refused}))
        session.run.write_json("timings.json", session.timings)

    def discard(self) -> None:
        """Leave nothing behind of files that are not in their places."""
        self._cases.discard()
        for bank in self._banks.values():
            bank.discard()
        for writer in self._answers.values():
            writer.discard()
