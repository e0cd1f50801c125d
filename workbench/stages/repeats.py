"""Repeats: the same model explained again with other masks and seeds, to know what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench import registry
from workbench.bank import Coalitions, coalitions, evaluate
from workbench.explainers import Explainer, run_explainer
from workbench.quality.reasons import Answers, Repetition

_STREAM = 7919  # keeps the masks of repetitions apart from those of the explanations themselves
Found = dict[str, np.ndarray]  # example id to attribution


def explain_again(
    asked: Any, models: Mapping[str, tuple[str, str]], methods: tuple[str, ...], repeats: int, progress: Any
) -> dict[str, dict[str, list[Found]]]:
    """Explain every case of each model `repeats` times anew.

    Args:
        asked: the cases, `probe(case, model)` and `budget`, as `workbench.stages.explain.Asked`.
        models: side to (the model that black-box methods ask, the one with gradients).
        methods: names of explainers.
        repeats: times.
        progress: where progress is shown.

    Returns:
        side to method to one mapping from id to values for each repetition; a method that gives
        the same values each time has none.
    """
    known = {name: registry.load("explainers", name) for name in methods}
    result: dict[str, dict[str, list[Found]]] = {side: {name: [] for name in methods} for side in models}
    seed = asked.session.config.seed
    with progress.task("explaining again", len(asked.cases) * len(models) * repeats) as bar:
        for side, (black_box, gradient) in models.items():
            again = [name for name, method in known.items() if not _is_fixed(asked, method, black_box, gradient)]
            for r in range(repeats):
                found: dict[str, Found] = {name: {} for name in again}
                for case in asked.cases:
                    masks = other_masks(asked, case, r)
                    bank = None
                    if any(known[n].uses_bank for n in again):
                        bank = evaluate(asked.probe(case, black_box), masks)
                    for name in again:
                        method = known[name]
                        probe = asked.probe(case, gradient if "gradient" in method.needs else black_box)
                        own = bank if method.uses_bank else None
                        answer = run_explainer(method, probe, bank=own, seed=seed + 1 + r)
                        found[name][case["id"]] = answer.values
                    bar.advance(1)
                for name in again:
                    result[side][name].append(found[name])
    return result


def other_masks(asked: Any, case: dict[str, Any], repeat: int) -> Coalitions:
    """Masks of a case that were drawn anew, the same for every model."""
    seed = [asked.session.config.seed, case["row"], _STREAM + repeat]
    return coalitions(len(case["cut"].features), asked.budget, np.random.default_rng(seed))


def _is_fixed(asked: Any, method: Explainer, black_box: str, gradient: str) -> bool:
    """Whether another seed changes nothing: seen on the first case, or for every case a complete bank."""
    if method.uses_bank:
        return all(asked.coalitions(case).exact for case in asked.cases)
    if not asked.cases:
        return True
    probe = asked.probe(asked.cases[0], gradient if "gradient" in method.needs else black_box)
    first, second = (run_explainer(method, probe, seed=seed).values for seed in (0, 1))
    return bool(np.array_equal(first, second))


def answers(
    ids: list[str],
    title: str,
    before: Found,
    after: Found,
    again: Mapping[str, list[Found]],
    retrained: list[tuple[Found, Found]] | None = None,
) -> Answers:
    """One method's answers in the order of `ids`, with its repetitions as pairs of each side.

    Args:
        ids: the explained examples.
        title: the method's title.
        before: attributions by the model before.
        after: those by the model after.
        again: side ("base", "after") to repetitions.
        retrained: pairs of the model before and one of its retrained twins.
    """

    def ordered(found: Found) -> list[np.ndarray]:
        return [found[i] for i in ids]

    first = {"base": before, "after": after}
    repeated: list[Repetition] = [
        (ordered(first[side]), ordered(found)) for side, of_side in again.items() for found in of_side
    ]
    twins: list[Repetition] = [(ordered(x), ordered(y)) for x, y in retrained or []]
    return Answers(title, ordered(before), ordered(after), repeated, twins, fixed=not repeated and bool(again))
