"""Shift: whether the customised model decides for other reasons than the one before, beside what is noise."""

from __future__ import annotations

from typing import Any

from workbench.explainers import Explainer, find_method
from workbench.quality.reasons import Explained, Settings, describe
from workbench.records import finite, read_attributions
from workbench.stages.evaluate import settings_of
from workbench.stages.explain import Asked
from workbench.stages.named import named_parts
from workbench.stages.repeats import answers, explain_again
from workbench.stages.session import SIDES, Session, do_stage

SHIFT = "explanation_shift.json"


def shift(session: Session) -> bool:
    """Write `explanation_shift.json`: how far explanations moved, beyond which noise, and where to."""

    def work(entry: dict[str, Any]) -> None:
        asked = Asked(session)
        there = {c["id"] for c in session.run.read_json("cases.json")["cases"]}
        asked.cases = [c for c in asked.cases if c["id"] in there]  # explain.max_seconds may have cut them short
        wanted = session.config.compare
        parts = named_parts(wanted, session.task.modality_name, asked.cases, session.preparation)
        ids, answered, left_out = [c["id"] for c in asked.cases], {}, []
        for name in session.config.explain.methods:
            method = find_method(name)
            answered[name] = {side: _values(session, models, method, asked) for side, models in SIDES.items()}
            if any(len(values) < len(ids) for values in answered[name].values()):
                del answered[name]
                left_out.append(f"{method.title} was not compared, as it has no answer to some case of either model")
        methods = tuple(answered)
        again = explain_again(asked, SIDES, methods, wanted.repeats, session.progress)
        found = {}
        for name, of_side in answered.items():
            repeated = {side: again[side][name] for side in SIDES} if wanted.repeats else {}
            found[name] = answers(ids, find_method(name).title, of_side["base"], of_side["after"], repeated)
        content = describe(
            explained(asked),
            found,
            parts,
            modality=session.task.modality_name,
            settings=Settings(**settings_of(session), extra={"repeats": wanted.repeats, "budget": asked.budget}),
        )
        before = (session.run.read_json("tuned/finetune.json") or {}).get("before", "")
        names = {"before": {"model": "base", "text": before}, "after": {"model": "onnx", "text": ""}}
        session.run.write_json(SHIFT, finite(names | content | {"left_out": left_out}))

    return do_stage(session, "shift", work, (SHIFT,))


def explained(asked: Any) -> list[Explained]:
    """The cases as the description takes them."""
    return [Explained(c["id"], c["cut"].features, getattr(c["cut"], "label", None)) for c in asked.cases]


def _values(session: Session, models: tuple[str, str], method: Explainer, asked: Asked) -> dict[str, Any]:
    """Example id to values of one method on one side, from whichever of its two models was asked."""
    cases = {c["id"]: c for c in asked.cases}
    if not cases:  # nothing was explained, so no attributions were written
        return {}
    there = [m for m in models if session.run.has(f"{m}/attributions/{method.name}.json")]
    if not there:  # it refused every case
        return {}
    model = there[0]
    return {a.example_id: a.values for a in read_attributions(session.run, model, method.name, cases)}
