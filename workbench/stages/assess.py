"""Assess: how far each explanation can be trusted, measured on the model that it explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from workbench import registry
from workbench.bank import remember
from workbench.errors import ArtefactError
from workbench.explainers import run_explainer
from workbench.quality.agreement import agreement
from workbench.quality.card import quality_card
from workbench.quality.prediction_gap import prediction_gaps
from workbench.quality.thresholds import THRESHOLDS
from workbench.records import finite, read_attributions
from workbench.stages.asking import kept_bank
from workbench.stages.explain import Asked
from workbench.stages.rationales import plausibility
from workbench.stages.session import Session, do_stage
from workbench.stages.trials import Trials
from workbench.types import Attribution

CONTROL = "random"


def assess(session: Session) -> bool:
    """Write `quality.json`: a card for every attribution, a random control beside it, agreement of the methods."""

    def work(entry: dict[str, Any]) -> None:
        asked = Asked(session)
        only_explained(asked)
        control = registry.load("controls", CONTROL)
        answers = {side: _answers(session, models, asked) for side, models in session.sides.items()}
        scores = {side: bank_scores(session, black_box) for side, (black_box, _) in session.sides.items()}
        trials = Trials(asked, answers["after"], scores["after"])
        cards: dict[str, dict[str, dict[str, Any]]] = {}
        controls: dict[str, dict[str, Any]] = {}
        agreements: dict[str, dict[str, Any]] = {}
        with session.progress.task("assessing", len(asked.cases) * len(session.sides)) as bar:
            for side, (black_box, _) in session.sides.items():
                for case in asked.cases:
                    probe = asked.probe(case, black_box)
                    bank = kept_bank(asked, case, probe, scores[side])
                    remembered, _ = remember(probe, bank)
                    for model, name, found in answers[side][case["id"]]:
                        further = trials.further(side, case, model, name, found, remembered, bank)
                        further |= plausibility(session, case, found)
                        further |= prediction_gaps(probe, found.values, card_rng(session, case))
                        rng = card_rng(session, case)
                        card = quality_card(remembered, found, bank=bank, rng=rng, further=further)
                        cards.setdefault(model, {}).setdefault(name, {})[case["id"]] = card
                    chance = run_explainer(control, remembered, bank=bank, seed=session.config.seed)
                    controls.setdefault(side, {})[case["id"]] = quality_card(
                        remembered,
                        chance,
                        bank=bank,
                        rng=card_rng(session, case),
                        further=prediction_gaps(probe, chance.values, card_rng(session, case)),
                    )
                    pairs = _pairs(answers[side][case["id"]], card_rng(session, case))
                    agreements.setdefault(side, {})[case["id"]] = pairs
                    bar.advance()
        content = {
            "thresholds": {k: dict(v) for k, v in THRESHOLDS.items()},
            "settings": session.config.assess.model_dump(mode="json"),
            **trials.facts,
            "cases": cards,
            "controls": controls,
            "agreement": agreements,
        }
        session.run.write_json("quality.json", finite(content))

    return do_stage(session, "assess", work, ("quality.json",))


def card_rng(session: Session, case: dict[str, Any]) -> np.random.Generator:
    """The same random orders for every method of a case, so that they are asked once."""
    return np.random.default_rng([session.config.seed, case["row"], 1])


def _answers(session: Session, models: tuple[str, str], asked: Asked) -> dict[str, list[tuple[str, str, Attribution]]]:
    """By example: (model, explainer, attribution) of one side, in the config's order of the methods."""
    cases = {c["id"]: c for c in asked.cases}
    found: dict[str, list[tuple[str, str, Attribution]]] = {name: [] for name in cases}
    for name in session.config.explain.methods:
        for model in dict.fromkeys(models):
            if session.run.has(f"{model}/attributions/{name}.json"):
                for attribution in read_attributions(session.run, model, name, cases):
                    found[attribution.example_id].append((model, name, attribution))
    return found


def only_explained(asked: Asked) -> None:
    """Leave out the cases that `explain.max_seconds` cut short."""
    explained = {c["id"] for c in asked.session.run.read_json("cases.json")["cases"]}
    asked.cases = [c for c in asked.cases if c["id"] in explained]


class Scores(Mapping[str, np.ndarray]):
    """The scores (n, K) of every mask of every case, read from their file case by case."""

    def __init__(self, path: Path) -> None:
        from safetensors import safe_open

        self._file = cast(Any, safe_open(path, framework="numpy"))
        names = self._file.keys()
        self._names = dict(zip(names, names, strict=True))  # a name that is none is a KeyError, as of any mapping

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self._file.get_tensor(self._names[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)


def bank_scores(session: Session, model: str) -> Scores:
    """The scores of every mask of every case, as `explain` kept them."""
    path = session.run.path / model / "bank.safetensors"
    if not path.is_file():
        raise ArtefactError(f"{path} is missing", hint=f"run `workbench explain {session.run.path}`")
    return Scores(path)


def _pairs(answers: list[tuple[str, str, Attribution]], rng: np.random.Generator) -> dict[str, Any]:
    """How far every two methods agree on one case, beside what shuffling one of them gives."""
    pairs = []
    for i, (_, a, first) in enumerate(answers):
        for _, b, second in answers[i + 1 :]:
            found = agreement(first.values, second.values, rng=rng)
            pairs.append({"a": a, "b": b, **found})
    return {"pairs": pairs}
