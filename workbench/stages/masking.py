"""What stands for a hidden part: does it make inputs that no model has seen, and does another filler agree?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from workbench.bank import Bank, remember
from workbench.errors import ConfigError
from workbench.probe import Probe
from workbench.quality import faithfulness, sanity, unusual
from workbench.quality.card import steps_of
from workbench.stages.asking import OFF, Answers, Asking
from workbench.stages.explain import Asked
from workbench.types import Attribution

COARSE, FEW = 10, 3  # steps and random orders, both ways, under the second filler
_CLEAN = 160  # examples that say what clean inputs look like
_TYPICAL = "the median or most frequent value of the training rows"


class Masking(Asking):
    """Masked inputs against clean ones, and quality under a second filler."""

    def __init__(self, asked: Asked, answers: Answers, banks: Mapping[str, np.ndarray]) -> None:
        super().__init__(asked, answers, banks)
        self._no_unusual = OFF
        self._kept: tuple[str, Probe] | None = None

    # -- masked inputs against clean ones --------------------------------------------------

    def mask_unusual(self, case: dict[str, Any]) -> float | str:
        """Share of the case's masked inputs that are further from clean ones than 99 % of clean ones are."""
        return self._unusual.get(case["id"], self._no_unusual)

    @cached_property
    def _unusual(self) -> dict[str, float]:
        if not self.settings.masked or not self.asked.cases:
            return {}
        if not getattr(self.session.tuned, "head", ""):
            self._no_unusual = "What the network makes of an input cannot be seen in this file."
            return {}
        reference, clean = (self._features(split, seed) for seed, split in enumerate(("train", "test")))
        known = unusual.familiar(reference, clean)
        self._no_unusual = "There are too few clean examples to compare with."
        if known is None:
            return {}
        self.facts["masks"] = {"filler": self.asked.filler_text, "reference": len(reference), "clean": known.n}
        found = {}
        for case in self.asked.cases:
            masks = self.masks(case).masks[2:]
            some = masks[np.unique(np.linspace(0, len(masks) - 1, self.settings.masked).astype(int))]
            probe = self.asked.probe(case, "tuned")
            step = max(1, probe.rows // probe.repeats)
            parts = [probe.hide(some[i : i + step]) for i in range(0, len(some), step)]
            features = np.concatenate([unusual.pooled(self.session.tuned.features(part)[0]) for part in parts])
            found[case["id"]] = known.unusual(features)
        return found

    def _features(self, split: str, seed: int) -> np.ndarray:
        rows = self.session.rows(split)
        picked = np.sort(np.random.default_rng([self.session.config.seed, seed]).permutation(rows)[:_CLEAN])
        inputs = [self.session.dataset.examples[int(i)].input for i in picked]
        if not inputs:
            return np.zeros((0, 1))
        encoded = self.asked.modality.encode(inputs, self.session.preparation)
        order = np.argsort(encoded.lengths, kind="stable")
        parts = [order[i : i + 64] for i in range(0, len(order), 64)]
        return np.concatenate([unusual.pooled(self.session.tuned.features(encoded.batch(p))[0]) for p in parts])

    # -- a second filler -------------------------------------------------------------------

    @cached_property
    def _second(self) -> tuple[str, str, Any] | None:
        """Name, words and background of the second filler; None where it is switched off."""
        wanted, kind = self.settings.second_filler, self.session.task.modality_name
        if wanted == "none":
            return None
        fillers = self.asked.modality.FILLERS
        if kind == "table":
            if wanted:
                raise ConfigError(f"assess.second_filler = {wanted!r} is none for tables", hint="leave it empty")
            rows = [self.session.dataset.examples[int(i)].input for i in self.session.rows("train")]
            return self.asked.filler, _TYPICAL, self._typical(rows)
        if not wanted:
            wanted = next(f for f in fillers if f != self.asked.filler and self._can(f))
        name = self.asked.modality.choose_filler(wanted, self.session.preparation)
        return name, fillers[name], None

    def _can(self, filler: str) -> bool:
        """Whether the preparation allows a filler: not every tokenizer has a mask token."""
        try:
            self.asked.modality.choose_filler(filler, self.session.preparation)
        except ConfigError:
            return False
        return True

    def _typical(self, rows: list[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        typical: dict[str, Any] = {}
        for column in self.session.preparation.columns:
            cells = [c for row in rows if (c := row.get(column.name)) is not None and c == c]
            if column.kind == "numeric":
                typical[column.name] = float(np.median(cells)) if cells else None
            else:
                typical[column.name] = max(sorted(set(cells)), key=cells.count) if cells else None
        return self.asked.modality.encode([typical], self.session.preparation).batch([0])

    def under_second(
        self, case: dict[str, Any], found: Attribution, probe: Probe, bank: Bank
    ) -> dict[str, float | str]:
        """Skill and comprehensiveness under the second filler, and how far the skill is from the first's.

        The steps are some of the card's own, so that under the first filler nothing is asked anew.
        """
        keys = ("second_deletion_skill", "second_comprehensiveness", "filler_spread")
        if self._second is None:
            return dict.fromkeys(keys, OFF)
        self.facts["fillers"] = [self.asked.filler_text, self._second[1]]
        if len(found.values) < sanity.FEWEST_TO_RANK:
            return dict.fromkeys(keys, "With so few parts any order is soon drawn by lot.")
        there = self._second_probe(case)
        counts = faithfulness.thinned(steps_of(bank), COARSE)
        skills = []
        for one in (probe, there):
            rng = self.rng(case, 1)  # the orders of the card, so that those are known already
            drawn = np.random.default_rng(rng.integers(2**63))
            skills.append(faithfulness.deletion_skill(one, found.values, drawn, counts=counts, orders=FEW))
        first, second = skills
        return {
            "second_deletion_skill": second,
            "second_comprehensiveness": faithfulness.comprehensiveness(there, found.values, self.rng(case, 2)),
            "filler_spread": abs(first - second),
        }

    def _second_probe(self, case: dict[str, Any]) -> Probe:
        """The case under the second filler, remembering its answers for the other methods of the case."""
        if self._kept is None or self._kept[0] != case["id"]:
            assert self._second is not None
            filler, _, background = self._second
            there = self.bind(case, self.session.onnx, filler=filler, background=background)
            self._kept = (case["id"], remember(there)[0])
        return self._kept[1]
