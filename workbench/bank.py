"""The mask bank: which coalitions of features are shown to the model, once, for every method.

A coalition is a boolean mask (True keeps a feature). SHAP and LIME are fitted to one part
of the bank, the quality measures use the other, and the same coalitions can be put to two
models, so that a difference between them is not a difference of masks.

A bank grows in rounds until it is precise enough, within a budget of coalitions and of time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.asking import Asker
from workbench.coalitions import Coalitions, coalitions
from workbench.errors import ExplainError
from workbench.probe import Probe

if TYPE_CHECKING:
    from workbench.kriging import Part

__all__ = ["Bank", "Coalitions", "Growing", "coalitions", "evaluate", "evaluate_all", "grow", "remember"]

FEWEST = 64  # coalitions of the first round, or three a feature: all leave-one-outs and some to judge by
GROWTH = 2  # of the next round over the last


@dataclass(frozen=True)
class Bank:
    """The answers of one model to one question for every coalition.

    `scores` (n,) float64 in the question's unit; `seconds` is what evaluating them took;
    `outputs` (n, K) all scores of the model, from which any question of the example can be read;
    `known` what was worked out of it, so that it is not worked out twice.
    """

    coalitions: Coalitions
    scores: np.ndarray
    example_id: str
    question_id: str
    seconds: float
    outputs: np.ndarray | None = None
    known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # never another bank's

    @property
    def masks(self) -> np.ndarray:
        """(n, M) boolean masks."""
        return self.coalitions.masks

    @property
    def base_score(self) -> float:
        """The answer with everything hidden."""
        return float(self.scores[0])

    @property
    def score(self) -> float:
        """The answer with nothing hidden."""
        return float(self.scores[1])

    @cached_property
    def odd(self) -> Part | None:
        """The odd part of the stand-in learnt from the fitting pairs; None where they are too few or all are here."""
        return self._part(odd=True)

    @cached_property
    def even(self) -> Part | None:
        """Its even part."""
        return self._part(odd=False)

    def _part(self, *, odd: bool) -> Part | None:
        if self.coalitions.exact:
            return None
        from workbench.kriging import fit_part  # scipy: a third of a second that a model can answer in meanwhile

        masks, values = self._told(np.flatnonzero(self.coalitions.fit[0::2]), odd=odd)
        return fit_part(masks, values, odd=odd, like=None if odd else self.odd)

    def _told(self, pairs: np.ndarray, *, odd: bool) -> tuple[np.ndarray, np.ndarray]:
        """Of some pairs the masks and the part's values; of the first, nothing and everything, the latter's."""
        keeps, hides = np.where(pairs == 0, 1, 2 * pairs), np.where(pairs == 0, 0, 2 * pairs + 1)
        both = self.scores[keeps] - self.scores[hides] if odd else self.scores[keeps] + self.scores[hides]
        return self.masks[keeps], both / 2

    def drawn_again(self, pairs: np.ndarray) -> Bank:
        """The bank with other pairs of its own in the places of its pairs, each fitted or held out as that place was.

        Args:
            pairs: (n / 2,) which pair stands at each place; the first is the first.
        """
        both = np.column_stack([2 * pairs, 2 * pairs + 1]).ravel()
        old = self.coalitions
        drawn = Coalitions(old.masks[both], old.inclusion[both], old.held_out, exact=False)
        found = replace(self, coalitions=drawn, scores=self.scores[both], outputs=None)
        # The stand-in keeps its knobs: what is asked is what other pairs would have said.
        fitted = np.flatnonzero(old.fit[0::2])
        return found._learn_as(self, np.asarray(np.searchsorted(fitted, pairs[fitted])))

    def like(self, other: Bank) -> Bank:
        """The bank with a stand-in that keeps the knobs of another's, which holds the same coalitions.

        For the answers of nearly the same input or model: what moves is what the answers move, not
        the choice of the knobs.
        """
        if not np.array_equal(self.masks, other.masks):
            raise ExplainError("the two banks hold different coalitions", hint="evaluate the same ones")
        return replace(self)._learn_as(other, np.arange(int(self.coalitions.fit[0::2].sum())))

    def _learn_as(self, other: Bank, rows: np.ndarray) -> Bank:
        """Give this bank the stand-in that its answers give by another's knobs.

        `rows` are the places of this bank's fitting pairs among those of the other.
        """
        fitted = np.flatnonzero(self.coalitions.fit[0::2])
        for name, part in (("odd", other.odd), ("even", other.even)):
            values = None if part is None else self._told(fitted, odd=name == "odd")[1]
            self.__dict__[name] = None if part is None or values is None else part.again(rows, values)
        return self

    def reread(self, probe: Probe) -> Bank:
        """The bank of another question about the same example and model, without asking anew."""
        if self.outputs is None:
            raise ExplainError("this bank kept no scores to read another question from", hint="evaluate it again")
        return replace(self, scores=probe.answers(self.outputs), question_id=probe.question.id)

    def require(self, probe: Probe) -> None:
        """Raise `ExplainError` on a probe of another example, question or number of features."""
        its = (self.example_id, self.question_id, self.coalitions.features)
        asked = (probe.example_id, probe.question.id, len(probe.features))
        if its != asked:
            raise ExplainError(
                f"the bank holds the answers of example {its[0]!r}, question {its[1]!r}, {its[2]} features; "
                f"asked is example {asked[0]!r}, question {asked[1]!r}, {asked[2]} features",
                hint="evaluate the coalitions on this probe",
            )


def evaluate(probe: Probe, chosen: Coalitions, asker: Asker | None = None) -> Bank:
    """Put every coalition to the probe, each once.

    The same coalitions can be evaluated on several probes (a model before and after).

    Raises:
        ExplainError: the coalitions are of another number of features, or an answer is not finite.
    """
    return evaluate_all([(probe, chosen)], asker)[0]


def evaluate_all(asked: Sequence[tuple[Probe, Coalitions]], asker: Asker | None = None) -> list[Bank]:
    """`evaluate` for several probes, whose inputs share batches; `seconds` are shared out by coalitions."""
    for probe, chosen in asked:
        if chosen.features != len(probe.features):
            raise ExplainError(
                f"example {probe.example_id!r} has {len(probe.features)} features, the coalitions {chosen.features}",
                hint="draw coalitions for this example",
            )
    start = time.perf_counter()
    outputs = (asker or Asker()).ask([(probe, chosen.masks) for probe, chosen in asked])
    share = (time.perf_counter() - start) / max(1, sum(len(chosen) for _, chosen in asked))
    return [
        _bank(probe, chosen, found, share * len(chosen)) for (probe, chosen), found in zip(asked, outputs, strict=True)
    ]


def _bank(probe: Probe, chosen: Coalitions, outputs: np.ndarray, seconds: float) -> Bank:
    scores = probe.answers(outputs)
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ExplainError(
            f"example {probe.example_id!r}: the answer to {probe.question.text!r} is {scores[row]} "
            f"with {int(chosen.sizes[row])} of {chosen.features} features kept",
            hint="the model must answer with finite numbers; check it for overflow",
        )
    return Bank(chosen, scores, probe.example_id, probe.question.id, seconds, outputs)


@dataclass
class Growing:
    """One example whose bank grows: the same masks for each of its probes (a model before and after).

    `budget` is the most coalitions that it may ask for, `seed` decides which.
    """

    probes: Sequence[Probe]
    budget: int
    seed: Sequence[int]


def grow(
    jobs: Sequence[Growing],
    *,
    enough: Callable[[Bank], bool] | None = None,
    asker: Asker | None = None,
    deadline: float | None = None,
    first: int = FEWEST,
) -> list[list[Bank]]:
    """Banks of several examples, asked together: one list a job, one bank a probe.

    Rounds of `first` coalitions (at least three a feature), twice as many, ... up to each job's
    budget; a coalition of an earlier round is not asked again. A job ends when all its banks are `enough`, hold
    everything, or have used the budget. Without `enough` the whole budget is used at once.

    Args:
        enough: whether a bank is precise enough.
        deadline: of `time.monotonic()`; after it a job ends with the round that it has.

    Raises:
        ExplainError: as `evaluate`.
    """
    asker = asker or Asker()
    found: list[list[Bank]] = [[] for _ in jobs]
    going = list(range(len(jobs)))
    growth = 1
    while going:
        start = time.perf_counter()
        wanted, requests = [], []
        for i in going:
            job, m = jobs[i], len(jobs[i].probes[0].features)
            most = job.budget if enough is None else min(growth * max(first, 3 * m + 6), job.budget)
            chosen = coalitions(m, most, np.random.default_rng(list(job.seed)))
            old = {} if not found[i] else {key: row for row, key in enumerate(_keys(found[i][0].masks))}
            have = np.array([old.get(key, -1) for key in _keys(chosen.masks)])
            wanted.append((i, chosen, have))
            requests += [(probe, chosen.masks[have < 0]) for probe in job.probes]
        scores = iter(asker.ask(requests))
        share = (time.perf_counter() - start) / max(1, sum(len(masks) for _, masks in requests))
        for i, chosen, have in wanted:
            banks = []
            for k, probe in enumerate(jobs[i].probes):
                new = next(scores)
                outputs = np.empty((len(chosen), new.shape[1]))
                outputs[have < 0] = new
                seconds = share * len(new)
                if found[i]:
                    outputs[have >= 0] = found[i][k].outputs[have[have >= 0]]  # type: ignore[index]
                    seconds += found[i][k].seconds
                banks.append(_bank(probe, chosen, outputs, seconds))
            found[i] = banks
        late = deadline is not None and time.monotonic() > deadline
        going = [] if late or enough is None else [i for i in going if not _done(jobs[i], found[i], enough)]
        growth *= GROWTH
    return found


def _done(job: Growing, banks: list[Bank], enough: Callable[[Bank], bool]) -> bool:
    used_up = len(banks[0].coalitions) >= job.budget - 1  # coalitions come in pairs
    return used_up or banks[0].coalitions.exact or all(enough(b) for b in banks)


def remember(probe: Probe, *banks: Bank) -> tuple[Probe, Callable[[], int]]:
    """The same probe, asking the model each distinct mask only once, and a count of those asked.

    Answers already in `banks` are known from the start and not counted. Give one remembered
    probe to several quality cards of an example and the masks they share are free.
    """
    known: dict[bytes, float] = {}
    for bank in banks:
        known.update(zip(_keys(bank.masks), bank.scores.tolist(), strict=True))
    asked = 0

    def answer(batch: dict[str, np.ndarray]) -> np.ndarray:
        nonlocal asked
        masks = batch["masks"]
        keys = _keys(masks)
        first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in known}
        if first:
            rows = sorted(first.values())
            known.update(zip([keys[r] for r in rows], probe.score(masks[rows]).tolist(), strict=True))
            asked += len(rows)
        return np.array([known[key] for key in keys])

    alone = replace(probe, hide=lambda masks: {"masks": masks}, answer=answer, repeats=1, weights=None)
    return replace(alone, model=None, read=None, lengths=None, padding={}), lambda: asked


def _keys(masks: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(np.asarray(masks, dtype=bool), axis=1)]
