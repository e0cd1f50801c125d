"""Repeats: the same model explained again with other masks and seeds, to know what is noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from workbench.bank import Bank, Growing, grow
from workbench.explainers import Explainer, find_method, run_explainer
from workbench.quality.reasons import Answers, Repetition
from workbench.stages.explain import TOGETHER
from workbench.stages.session import Models

_STREAM = 7919  # keeps the masks of repetitions apart from those of the explanations themselves
Found = dict[str, np.ndarray]  # example id to attribution


def explain_again(
    asked: Any, models: Models, methods: tuple[str, ...], repeats: int, progress: Any
) -> dict[str, dict[str, list[Found]]]:
    """Explain every case of each model `repeats` times anew.

    Args:
        asked: the cases and how they are asked, as `workbench.stages.explain.Asked`.
        models: side to (the model that black-box methods ask, the one with gradients).
        methods: names of explainers.
        repeats: times.
        progress: where progress is shown.

    Returns:
        side to method to one mapping from id to values for each repetition; a method that gives
        the same values each time has none.
    """
    known = {name: find_method(name) for name in methods}
    result: dict[str, dict[str, list[Found]]] = {side: {name: [] for name in methods} for side in models}
    again = {
        side: [name for name, method in known.items() if not _is_fixed(asked, method, *pair)]
        for side, pair in models.items()
    }
    seed = asked.session.config.seed
    with progress.task("explaining again", len(asked.cases) * len(models) * repeats) as bar:
        for r in range(repeats):
            found: dict[str, dict[str, Found]] = {side: {name: {} for name in again[side]} for side in models}
            for case, banks in _banks(asked, models, r, any(m.uses_bank for m in known.values())):
                for (side, (black_box, gradient)), bank in zip(models.items(), banks, strict=True):
                    for name in again[side]:
                        method = known[name]
                        probe = asked.probe(case, asked.model_for(case, method, black_box, gradient))
                        own = bank if method.uses_bank else None
                        answer = run_explainer(method, probe, bank=own, seed=seed + 1 + r, budget=asked.budget)
                        found[side][name][case["id"]] = answer.values
                    bar.advance(1)
            for side, of_side in found.items():
                for name, values in of_side.items():
                    result[side][name].append(values)
    return result


def _banks(asked: Any, models: Models, repeat: int, needed: bool) -> Iterator[tuple[dict[str, Any], list[Bank | None]]]:
    """Every case with banks of masks that were drawn anew, the same for every model, as precise as the first ones."""
    for start in range(0, len(asked.cases), TOGETHER):
        part = asked.cases[start : start + TOGETHER]
        if not needed:
            none: list[Bank | None] = [None] * len(models)
            yield from ((case, none) for case in part)
            continue
        jobs = [
            Growing(
                [asked.probe(case, black_box) for black_box, _ in models.values()],
                asked.budget,
                [*asked.seed(case), _STREAM + repeat],
            )
            for case in part
        ]
        for case, banks in zip(part, grow(jobs, enough=asked.enough, asker=asked.asker), strict=True):
            yield case, list(banks)


def _is_fixed(asked: Any, method: Explainer, deployed: str, trained: str) -> bool:
    """Whether another seed changes nothing, seen on the first case; methods that use a bank get other masks."""
    if method.uses_bank:
        return False
    if not asked.cases:
        return True
    case = asked.cases[0]
    probe = asked.probe(case, asked.model_for(case, method, deployed, trained))
    first, second = (run_explainer(method, probe, seed=seed, budget=asked.budget).values for seed in (0, 1))
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
    # A complete bank, whatever its masks' order, gives the same values but for their last bits.
    equal = all(np.allclose(x, y, rtol=1e-9, atol=1e-12) for xs, ys in repeated for x, y in zip(xs, ys, strict=True))
    return Answers(title, ordered(before), ordered(after), repeated, twins, fixed=bool(again) and equal)
