"""Contrast: why this answer and not the next, what would turn it, and what the model has seen that is like it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from workbench import registry
from workbench.bank import Bank, remember
from workbench.explainers import run_explainer
from workbench.quality import faithfulness
from workbench.quality.card import FEWEST_TO_JUDGE
from workbench.quality.thresholds import light
from workbench.records import finite
from workbench.stages.asking import kept_bank
from workbench.stages.assess import bank_scores, only_explained
from workbench.stages.explain import Asked
from workbench.stages.familiar import EMBEDDINGS, EXCERPTS, Familiar, keep_excerpts
from workbench.stages.session import Session, do_stage
from workbench.tasks.binding import bind
from workbench.tasks.changes import (
    Found,
    asker_of_parts,
    asker_of_rows,
    change_values,
    hide_parts,
    label_turned,
    turned,
)
from workbench.tasks.probability import asked_in
from workbench.tasks.ranges import Range, check_ranges, ranges_of
from workbench.types import ClassScores, LabelScores, Question, Values

METHOD = "shap"  # its values of two logits subtract, and it carries an interval
_ROW_BUDGET = 4096  # rows of a table are cheap; texts and pictures have the budget of an explanation
_OTHER_FILLERS = {"text": ("delete", "mask"), "image": ("blur", "own-mean", "black")}


def contrast(session: Session) -> bool:
    """Write `contrasts.json` and `tuned/excerpts.parquet`."""

    def work(entry: dict[str, Any]) -> None:
        check_ranges(session.config.explain, session.task.modality_name, session.dataset.columns)
        familiar = None
        if session.run.has(EMBEDDINGS):
            keep_excerpts(session)
            familiar = Familiar(session.run)
        asked = Asked(session)
        only_explained(asked)
        found = Contrasts(session, asked, familiar).describe()
        session.run.write_json("contrasts.json", finite(found))

    return do_stage(session, "contrast", work, ("contrasts.json", EXCERPTS))


class Contrasts:
    """What is said of the cases of a run beside their attributions, all of it by the deployed file."""

    def __init__(self, session: Session, asked: Asked, familiar: Familiar | None) -> None:
        self.session, self.asked, self.familiar = session, asked, familiar
        self._method = registry.load("explainers", METHOD)

    def describe(self) -> dict[str, Any]:
        """Content of contrasts.json."""
        told, scores = {}, bank_scores(self.session, "onnx")
        with self.session.progress.task("contrasting", len(self.asked.cases)) as bar:
            for case in self.asked.cases:
                bank = kept_bank(self.asked, case, self.asked.probe(case, "onnx"), scores)
                told[case["id"]] = self.turns(case, bank)
                bar.advance()
        return self.with_neighbours(told)

    def turns(self, case: dict[str, Any], bank: Bank) -> dict[str, Any]:
        """What the deployed file alone can say of a case: against the runner-up, and what would turn it.

        The contrast is read from the bank that the explanation asked.
        """
        found = self._contrast(case, bank)
        order = np.asarray(found.get("values", np.zeros(len(case["cut"].features))))
        return {"contrast": found, "counterfactual": self._counterfactual(case, order)}

    def with_neighbours(self, told: dict[str, Any]) -> dict[str, Any]:
        """Content of contrasts.json: what was told of each case, and its neighbours in the customised model."""
        if self.familiar is None:
            none = {"reason": "This run kept no embeddings of its training examples"}
            return {"familiar": None, "cases": {name: {**found, "familiar": none} for name, found in told.items()}}
        inputs = [c["example"].input for c in self.asked.cases]
        encoded = self.session.task.modality.encode(inputs, self.session.preparation)
        cases = {}
        for place, case in enumerate(self.asked.cases):
            shown = self.session.onnx if hasattr(self.session.onnx, "embeddings") else self.session.tuned
            embedding = shown.embeddings(encoded.batch([place]))[0][0]
            cases[case["id"]] = {**told[case["id"]], "familiar": self.familiar.of(embedding, case["id"])}
        return {"familiar": self.familiar.facts(), "cases": cases}

    # -- why this and not the next ------------------------------------------------------

    def _contrast(self, case: dict[str, Any], bank: Bank) -> dict[str, Any]:
        after, session = self.asked.after, self.session
        if not isinstance(after, ClassScores):
            one = isinstance(after, Values)
            return {"reason": "a predicted value has no runner-up" if one else "several labels may hold: none runs up"}
        logits = after.logits[case["row"]]
        first, second = (int(k) for k in np.argsort(-logits, kind="stable")[:2])
        names = after.labels[first], after.labels[second]
        question = Question(
            "contrast", f"Why {names[0]} and not {names[1]}?", target=first, against=second, unit="logit"
        )
        question = asked_in(question, self.asked.unit)
        probe = bind(
            session.task,
            session.onnx,
            session.preparation,
            case["example"],
            question,
            case["cut"],
            filler=self.asked.filler,
            background=self.asked.background,
            weights=self.asked.weights,
        )
        bank = bank.reread(probe)
        known, _ = remember(probe, bank)
        answer = run_explainer(self._method, known, bank=bank, seed=session.config.seed)
        held = bank.coalitions.held_out
        rows = held if held.sum() >= FEWEST_TO_JUDGE else np.arange(len(held)) >= 2
        rng = np.random.default_rng([session.config.seed, case["row"], 2])
        foretold = faithfulness.faithfulness_correlation(known, answer.values, rng, masks=bank.masks[rows])
        judged = rows.sum() >= FEWEST_TO_JUDGE and np.isfinite(foretold)
        return {
            "question": {
                "id": question.id,
                "text": question.text,
                "kind": question.kind,
                "target": first,
                "against": second,
                "unit": question.unit,
            },
            "answer": names[0],
            "against": names[1],
            "explainer": METHOD,
            "title": self._method.title,
            "values": answer.values,
            "low": answer.low,
            "high": answer.high,
            "base_score": answer.base_score,
            "score": answer.score,
            "evaluations": answer.evaluations,
            "faithfulness_correlation": float(foretold) if judged else None,
            "light": light("faithfulness_correlation", float(foretold)) if judged else None,
        }

    # -- what would turn it -------------------------------------------------------------

    def _counterfactual(self, case: dict[str, Any], order: np.ndarray) -> dict[str, Any]:
        session, after = self.session, self.asked.after
        modality, features = session.task.modality_name, case["cut"].features
        amount = self.amount if isinstance(after, Values) else None
        if amount is not None and not amount > 0:
            return {"reason": "the training targets do not vary, so there is no amount to move a prediction by"}
        more: dict[str, Any] = {}
        if modality == "table":
            budget, ask_rows = _ROW_BUDGET, asker_of_rows(session.onnx, session.preparation)
            row = case["example"].input
            whole = ask_rows([row])[0]
            limits = {"amount": amount, "margin": self._margin(case, whole), "budget": budget}
            found = change_values(ask_rows, row, self._ranges, whole, order, **limits)
        else:
            budget = self.asked.budget
            ask = asker_of_parts(
                session.task.modality, session.onnx, session.preparation, case["cut"], self.asked.filler
            )
            whole = ask(np.ones((1, len(features)), dtype=bool))[0]
            limits = {"amount": amount, "margin": self._margin(case, whole), "budget": budget}
            found = hide_parts(ask, features, whole, order, **limits)
            more = self._elsewhere(case, found, whole) if found.search.state is not None else {}
        known = {
            "found": found.search.state is not None,
            "changes": list(found.changes),
            "size": found.search.size,
            "least": found.search.least,
            "minimal": found.search.minimal,
            "needed": found.search.needed,
            "ruled_out": found.search.ruled_out,
            "evaluations": found.search.evaluations,
            "budget": budget,
            "amount": amount,
            "fixed": [r.column.name for r in self._ranges if not r.values] if modality == "table" else [],
        }
        return known | more | ({} if found.scores is None else {"answer": self._frame(found.scores)})

    def _margin(self, case: dict[str, Any], scores: np.ndarray) -> Any:
        """What counts as another answer where labels are given one by one: the asked label changes."""
        if not isinstance(self.asked.after, LabelScores):
            return None
        label = case["question"].target
        return label_turned(scores, label, float(self.asked.after.thresholds[label]))

    @cached_property
    def _ranges(self) -> tuple[Range, ...]:
        dataset = self.session.dataset
        return ranges_of(dataset.columns, [e.input for e in dataset.split("train")], self.session.config.explain)

    @cached_property
    def amount(self) -> float:
        """By how much a predicted value has to move: as configured, else half the deviation of the training targets."""
        targets = [e.target for e in self.session.dataset.split("train") if e.target is not None]
        return self.session.config.explain.change or (0.5 * float(np.std(targets)) if targets else 0.0)

    def _elsewhere(self, case: dict[str, Any], found: Found, whole: np.ndarray) -> dict[str, Any]:
        """Whether the same parts turn the answer when something else stands in their place."""
        session, modality = self.session, self.session.task.modality
        masks = np.ones((1, len(case["cut"].features)), dtype=bool)
        masks[0, [change["index"] for change in found.changes]] = False
        said = []
        for name in _OTHER_FILLERS[session.task.modality_name]:
            if name == self.asked.filler or (name == "mask" and session.preparation.mask_id is None):
                continue
            ask = asker_of_parts(modality, session.onnx, session.preparation, case["cut"], name)
            margin = self._margin(case, whole) or turned(whole, None)
            other = bool(margin(ask(masks))[0] > 0)
            said.append({"name": name, "filler": modality.FILLERS[name], "turned": other})
        return {"elsewhere": said}

    def _frame(self, scores: np.ndarray) -> dict[str, Any]:
        facts = {
            "ids": np.array(["changed"], dtype=object),
            "splits": np.array(["test"], dtype=object),
            "targets": [None],
            "labels": self.session.dataset.labels,
            "thresholds": self.session.thresholds("onnx"),
            "unit": self.session.dataset.unit,
            "groups": {},
        }
        return self.session.task.frame(self.session.task.decode(scores[None], facts), 0)
