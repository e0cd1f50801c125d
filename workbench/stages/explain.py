"""Explain: the same question, masks and filler put to the model before and the one that ships."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save

from workbench.asking import Asker
from workbench.bank import Bank, Growing, coalitions, grow
from workbench.data.fingerprint import target_name
from workbench.errors import ConfigError, ExplainError, MissingDependency, Refusal
from workbench.explainers import Explainer, find_method, run_explainer
from workbench.explainers.shap import exact_shapley, paired_regression
from workbench.records import finite, read_predictions, write_attributions
from workbench.stages.background import Background, choose_background
from workbench.stages.selection import choose_cases
from workbench.stages.session import ALONE, SIDES, Models, Session, do_stage
from workbench.tasks.binding import bind
from workbench.tasks.probability import asked_in
from workbench.types import Attribution, Predictions, Question

TOGETHER = 16  # cases whose banks are asked at once, so that memory does not grow with their number
Picked = list[tuple[int, str]]  # rows of the predictions, and why


def explain(session: Session) -> bool:
    """Write `cases.json`, `previews/` and `<model>/attributions/`."""

    def work(entry: dict[str, Any]) -> None:
        for folder in ("previews", *(f"{m}/attributions" for m in ("base", "tuned", "onnx"))):
            shutil.rmtree(session.run.path / folder, ignore_errors=True)
        asked = Asked(session)
        found: dict[tuple[str, str], list[Attribution]] = {}
        refused: list[dict[str, str]] = []
        banks: dict[str, dict[str, np.ndarray]] = {m: {} for m, _ in (ALONE if session.audited else SIDES).values()}
        methods = {name: find_method(name) for name in session.config.explain.methods}
        with session.progress.task("explaining", len(asked.cases) * len(session.sides)) as bar:
            for case, grown in asked.banks(session.sides):
                for (black_box, gradient), bank in zip(session.sides.values(), grown, strict=True):
                    banks[black_box] |= bank_arrays(case["id"], bank)
                    for name, method in methods.items():
                        own, model = bank if method.uses_bank else None, black_box
                        try:
                            model = asked.model_for(case, method, black_box, gradient)
                            probe = asked.probe(case, model)
                            attribution = run_explainer(
                                method, probe, bank=own, seed=session.config.seed, budget=asked.budget
                            )
                        except (Refusal, MissingDependency) as e:
                            about = {"explainer": name, "title": method.title, "model": model}
                            refused.append(about | {"id": case["id"], "reason": e.message})
                            continue
                        found.setdefault((model, name), []).append(attribution)
                    bar.advance(1)
        if refused and not found:
            raise ExplainError(refused[0]["reason"], hint="choose methods by `workbench list explainers`")
        asker = asked.asker
        session.timings["banks"] = {"seconds": round(asker.seconds, 3), "evaluations": asker.evaluations}
        for (model, name), answers in found.items():
            method = methods[name]
            facts = {
                "explainer": name,
                "title": method.title,
                "caption": method.caption,
                "backbone": model,
                "filler": asked.filler_of(method, answers[0]),
                "unit": "" if method.unitless else answers[0].question.unit,
                "unitless": method.unitless,
                "seed": session.config.seed,
                "library": method.library,
            }
            write_attributions(session.run, model, facts, answers)
            session.timings[f"{model}/{name}"] = {
                "seconds": round(sum(a.seconds for a in answers), 3),
                "evaluations": int(sum(a.evaluations for a in answers)),
                "cases": len(answers),
            }
        for model, arrays in banks.items():
            session.run.write_bytes(f"{model}/bank.safetensors", save(dict(sorted(arrays.items()))))
        session.run.write_json("cases.json", finite(asked.describe() | {"refused": refused}))
        session.run.write_json("timings.json", session.timings)

    outputs = ("cases.json", "previews", "timings.json", *(f"{m}/attributions" for m in ("base", "tuned", "onnx")))
    return do_stage(session, "explain", work, (*outputs, "base/bank.safetensors", "onnx/bank.safetensors"))


def bank_arrays(example_id: str, bank: Any) -> dict[str, np.ndarray]:
    """What is kept of a bank for later stages: the model's scores, (n, K); the masks follow from the seed."""
    return {example_id: np.ascontiguousarray(bank.outputs, dtype=np.float64)}


class Asked:
    """The cases of a run: chosen (or `picked`), cut into features and ready to be asked of any of its models."""

    previews = "previews"  # folder of the pictures

    def __init__(self, session: Session, picked: Picked | None = None, *, lean: bool = False) -> None:
        self.session, self.lean = session, lean
        settings, self.modality = session.config.explain, session.task.modality
        self.before: Predictions | None = None if session.audited else read_predictions(session.run, "base")
        self.after: Predictions = read_predictions(session.run, "onnx")
        self.filler = self.modality.choose_filler(settings.filler, session.preparation)
        table = session.task.modality_name == "table"  # rows cost little, texts and pictures much
        chosen = choose_background(session, self.modality, self.filler, settings.background) if table else None
        self.chosen_background: Background | None = chosen
        self.background = chosen.inputs if chosen else None
        self.weights = chosen.weights if chosen else None
        self.hierarchy = chosen.hierarchy if chosen else None
        samples = settings.samples if settings.samples is not None else 24 if table else 12
        self.budget = settings.budget or (512 if table else 256)
        self.asker = Asker(max_memory=int(settings.max_memory * 1e9))
        if picked is None:
            picked = choose_cases(self.before, self.after, samples=samples, ids=settings.ids, seed=session.config.seed)
        self.left_out: list[dict[str, str]] = []
        self.cases: list[dict[str, Any]] = []
        for row, why in picked:
            self._add(row, why)

    def _add(self, row: int, why: str) -> None:
        session = self.session
        example = session.dataset.by_id[str(self.after.ids[row])]
        cut = self.modality.segment(example.input, session.preparation, segments=session.config.explain.segments)
        if len(cut.features) < 2:
            self.left_out.append({"id": example.id, "reason": f"it has {len(cut.features)} features to hide"})
            return
        question = self._question(row)
        if question is None:
            against = session.config.explain.against
            self.left_out.append({"id": example.id, "reason": f"it was decided {against}, with which to contrast"})
            return
        self.cases.append(
            {"id": example.id, "row": row, "why": why, "example": example, "cut": cut, "question": question}
        )

    def _question(self, row: int) -> Question | None:
        task, settings = self.session.task, self.session.config.explain
        if settings.question == "predicted":
            return asked_in(task.question(self.after, row), self.unit)
        if task.contrast is None:
            raise ConfigError(
                f"explain.question = 'contrast', but {task.name} gives no one class", hint="set it to 'predicted'"
            )
        found = task.contrast(self.after, row, settings.against)
        return found and asked_in(found, self.unit)

    @property
    def unit(self) -> str:
        """In what questions about classes are asked: "probability", or empty for logits."""
        return self.session.unit

    @property
    def filler_text(self) -> str:
        text = self.modality.FILLERS[self.filler]
        return text if self.background is None else f"{text}; {len(next(iter(self.background.values())))} rows"

    def filler_of(self, method: Explainer, answer: Attribution) -> str:
        """What stood for hidden parts with one method: its own word for it, or nothing where it hides none."""
        if method.unitless:
            return ""
        own = str(answer.params.get("filler", ""))
        return self.filler_text if own == self.modality.FILLERS[self.filler] else own

    def probe(self, case: dict[str, Any], model: str) -> Any:
        """The case's question bound to one of the run's models."""
        return self.bound(case, getattr(self.session, model))

    def bound(self, case: dict[str, Any], backbone: Any) -> Any:
        """The case's question bound to any backbone."""
        return bind(
            self.session.task,
            backbone,
            self.session.preparation,
            case["example"],
            case["question"],
            case["cut"],
            filler=self.filler,
            background=self.background,
            weights=self.weights,
            hierarchy=self.hierarchy,
        )

    def budget_of(self, case: dict[str, Any]) -> int:
        """The most coalitions of a case's bank; a lean one is exact for effects of single parts and of pairs."""
        return min(self.budget, 2 * len(case["cut"].features) + 2) if self.lean else self.budget

    def model_for(self, case: dict[str, Any], method: Explainer, deployed: str, trained: str) -> str:
        """Which of two models a method asks: the deployed file where it offers what the method needs."""
        return deployed if method.needs <= self.probe(case, deployed).offers else trained

    def seed(self, case: dict[str, Any]) -> list[int]:
        """Of a case's masks, the same for every model."""
        return [self.session.config.seed, case["row"]]

    def coalitions(self, case: dict[str, Any], size: int) -> Any:
        """The masks of a case's bank of `size` answers."""
        return coalitions(len(case["cut"].features), size, np.random.default_rng(self.seed(case)))

    def banks(self, models: Models = SIDES) -> Iterator[tuple[dict[str, Any], list[Bank]]]:
        """Every case with its banks, one a side of `models`; several cases are asked at once.

        After `explain.max_seconds` the cases that are left are moved to `left_out`.
        """
        settings = self.session.config.explain
        deadline = time.monotonic() + settings.max_seconds if settings.max_seconds else None
        cases, self.cases = self.cases, []
        for start in range(0, len(cases), TOGETHER):
            part = cases[start : start + TOGETHER]
            if start and deadline is not None and time.monotonic() > deadline:
                reason = f"the {settings.max_seconds:g} seconds of explain.max_seconds were over"
                self.left_out += [{"id": c["id"], "reason": reason} for c in cases[start:]]
                return
            jobs = [
                Growing([self.probe(c, black_box) for black_box, _ in models.values()], self.budget_of(c), self.seed(c))
                for c in part
            ]
            grown = grow(jobs, enough=self.enough, asker=self.asker, deadline=deadline)
            self.cases += part
            yield from zip(part, grown, strict=True)

    @property
    def enough(self) -> Callable[[Bank], bool] | None:
        """When a bank need not grow; None where the whole budget is used."""
        return self._precise if self.session.config.explain.width else None

    def _precise(self, bank: Bank) -> bool:
        """Whether every Shapley value is known to the asked share of the largest."""
        values, half, _ = paired_regression(bank)
        return half is not None and bool(half.max() <= self.session.config.explain.width * np.abs(values).max())

    def describe(self) -> dict[str, Any]:
        """Content of cases.json; pictures are written to previews/ on the way."""
        session = self.session
        shares = {
            w: sum(c["why"] == w for c in self.cases) for w in ("asked for", "wrong", "changed", "unsure", "right")
        }
        counted = ", ".join(f"{n} {w}" for w, n in shares.items() if n)
        return {
            "modality": session.task.modality_name,
            "filler": self.filler_text,
            "selection": f"{len(self.cases)} examples of the test split: {counted}."
            if not session.config.explain.ids
            else f"{len(self.cases)} examples that were asked for.",
            "left_out": self.left_out,
            "cases": [self.described(i, c) for i, c in enumerate(self.cases)],
        }

    def described(self, number: int, case: dict[str, Any]) -> dict[str, Any]:
        """A case as the report reads it; its picture is written on the way."""
        task, row, example, cut = self.session.task, case["row"], case["example"], case["cut"]
        target = target_name(self.session.dataset, example.target)
        text = {
            "id": example.id,
            "split": example.split,
            "why": case["why"],
            "target": list(target) if isinstance(target, tuple) else target,
            "question": {
                "id": case["question"].id,
                "text": case["question"].text,
                "kind": case["question"].kind,
                "target": case["question"].target,
                "against": case["question"].against,
                "unit": case["question"].unit,
            },
            "before": None if self.before is None else task.frame(self.before, row),
            "after": task.frame(self.after, row),
            "features": [{"name": f.name, "value": f.value, "span": f.span} for f in cut.features],
        }
        if task.modality_name == "text":
            text |= {"text": example.input, "cut": cut.cut}
        if task.modality_name == "image":
            text |= self._pictures(number, cut)
        return text

    def _pictures(self, number: int, cut: Any) -> dict[str, Any]:
        names = f"{self.previews}/{number}.png", f"{self.previews}/{number}.segments.png"
        images = Image.fromarray(cut.frame), Image.fromarray(cut.label.astype(np.uint16))
        for name, image in zip(names, images, strict=True):
            sink = io.BytesIO()
            image.save(sink, "PNG")
            self.session.run.write_bytes(name, sink.getvalue())
        height, width = cut.label.shape
        return {
            "picture": names[0],
            "segments": names[1],
            "width": width,
            "height": height,
            "segmenter": cut.method,
        }


def shapley_values(bank: Bank) -> np.ndarray:
    """Shapley values of a bank's features, (M,)."""
    return exact_shapley(bank) if bank.coalitions.exact else paired_regression(bank)[0]
