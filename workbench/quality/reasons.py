"""Did the model start deciding for other reasons? The shift of its explanations, and where they moved to.

One description for any two models that were asked the same questions with the same masks:
before and after customisation, or the deployed models of two runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.quality.bands import LOTS, bands, claim
from workbench.quality.moved import gains, layout, spurious_mass
from workbench.quality.shift import MEASURES
from workbench.types import Feature

Values = np.ndarray
Repetition = tuple[Sequence[Values], Sequence[Values]]  # one model's explanations of every example, twice
KINDS = {"text": "word", "image": "place", "table": "column"}
_NAMED_BY_METHOD = 5  # gains of one method that may enter `moved_to`
_LISTED = 10  # gains and losses of one method that are written


@dataclass(frozen=True)
class Explained:
    """An explained example: its features and, for a picture, the feature of each pixel (H, W)."""

    id: str
    features: tuple[Feature, ...]
    label: np.ndarray | None = None


@dataclass(frozen=True)
class Answers:
    """One method's attributions of every example, (M,) each, and what differs by noise alone.

    `repeated` holds the same model explained again with other masks or seeds, `retrained`
    the model against one trained with another seed. `fixed`: repeating gives equal values.
    """

    title: str
    before: Sequence[Values]
    after: Sequence[Values]
    repeated: Sequence[Repetition] = ()
    retrained: Sequence[Repetition] = ()
    fixed: bool = False

    @property
    def noise(self) -> Sequence[Repetition]:
        """What counts as noise: retrained models where there are some, else repeated explanations."""
        return self.retrained or (() if self.fixed else self.repeated)


@dataclass(frozen=True)
class Part:
    """A part of the input that was named: how much of each feature belongs to it, and its share of the whole.

    `rows` are the examples that hold it; `weights` and `areas` are theirs.
    """

    name: str
    kind: str  # "word", "column", "region" or "evidence"
    rows: Sequence[int]
    weights: Sequence[np.ndarray]
    areas: Sequence[float]


@dataclass(frozen=True)
class Settings:
    """Resamples, confidence and seed of everything random here."""

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


def describe(
    examples: Sequence[Explained],
    methods: Mapping[str, Answers],
    parts: Sequence[Part],
    *,
    modality: str,
    settings: Settings,
) -> dict[str, Any]:
    """The content of `explanation_shift.json` (docs/artefacts.md), without the names of the two models.

    Args:
        examples: what was explained, in the order of every list in `methods`.
        methods: explainer to its answers.
        parts: named words, columns, regions.
        modality: "text", "image" or "table".
        settings: of the bootstrap and the shuffles.
    """
    labels = [e.label for e in examples]
    measured = {
        name: bands(of.before, of.after, _per_example(of.noise, len(examples)), labels, seed=settings.seed)
        for name, of in methods.items()
    }
    for name, of in methods.items():
        for entry in measured[name].values():
            if not of.noise and entry["distance"] is not None:
                entry["reason"] = _noise(of)["text"]
    claim(measured)
    layouts = [layout(e.features, e.label) for e in examples]
    options: dict[str, Any] = {
        "resamples": settings.resamples,
        "confidence": settings.confidence,
        "seed": settings.seed,
    }
    found: dict[str, Any] = {}
    moved_to: list[dict[str, Any]] = []
    for name, of in methods.items():
        every = gains(layouts, of.before, of.after, of.noise, confidence=settings.confidence)
        named = [_named(part, of, options) for part in parts]
        claimed = [m for m, entry in measured[name].items() if entry["claimed"]]
        found[name] = {
            "title": of.title,
            "noise": _noise(of),
            "measures": measured[name],
            "claimed": claimed,
            "sentence": _sentence(of, measured[name], claimed),
            "gained": [e for e in every if e["gain"] > 0][:_LISTED],
            "lost": [e for e in reversed(every) if e["gain"] < 0][:_LISTED],
            "looked_at": len(every),
            "named": named,
        }
        moved_to += _moved(name, KINDS.get(modality, "part"), every, named, len(examples))
    moved_to.sort(key=lambda e: (e["beyond_noise"] is not True, not e["named"], -e["total"]))
    return {
        "n": len(examples),
        "cases": [e.id for e in examples],
        "modality": modality,
        "sentence": summary(found, moved_to, len(examples)),
        "moved_to": moved_to,
        "methods": found,
        "settings": {**options, "lots": LOTS, **settings.extra},
    }


def summary(methods: Mapping[str, Mapping[str, Any]], moved_to: Sequence[Mapping[str, Any]], n: int) -> str:
    """What was found, in one or two sentences."""
    if not methods or not n:
        return "No example was explained under both models, so nothing is said of their reasons."
    judged = {m: e for m, e in methods.items() if any(x["claimed"] is not None for x in e["measures"].values())}
    shifted = [e for e in judged.values() if e["claimed"]]
    if all(_same(e) for e in methods.values()):
        text = "The explanations of the two models are the same."
    elif not judged:
        text = "The explanations differ, but what is noise is not known, so no change of reasons is claimed."
    elif not shifted:
        text = "Not shown: the explanations moved no more than noise explains, so no change of reasons is claimed."
    else:
        named = " and ".join(_few([e["title"] for e in shifted]))
        if any(e["noise"]["kind"] == "retrained" for e in shifted):
            text = f"Yes: the explanations moved further than training again with another seed moves them ({named})."
        else:
            text = (
                f"The two models give different reasons: their explanations lie further apart than repeating them does "
                f"({named}). Whether training again would move them as far was not tested."
            )
    sure = [e for e in moved_to if e["beyond_noise"]]
    if not sure:
        return text
    named = "; ".join(list(dict.fromkeys(place_text(e) for e in sure))[:3])
    if judged and not shifted:
        return f"As a whole the explanations moved no more than noise explains, but attribution moved to: {named}."
    return f"{text} Attribution moved to: {named}."


def place_text(entry: Mapping[str, Any]) -> str:
    """A gain's place in words: `the word “zq7”`, `the column age`, `the bottom-right corner`."""
    what = str(entry["what"])
    if entry["kind"] in ("word", "column"):
        return f"the {entry['kind']} “{what}”"
    return f"the {what}"


def _named(part: Part, of: Answers, options: Mapping[str, Any]) -> dict[str, Any]:
    def pick(side: Sequence[Values]) -> list[Values]:
        return [side[i] for i in part.rows]

    noise = [(pick(x), pick(y)) for x, y in of.noise]
    mass = spurious_mass(part.weights, part.areas, pick(of.before), pick(of.after), noise, **options)
    return {"what": part.name, "kind": part.kind, **mass}


def _moved(
    method: str, kind: str, every: Sequence[Mapping[str, Any]], named: Sequence[Mapping[str, Any]], n: int
) -> list[dict[str, Any]]:
    """What gained attribution for sure over the examples: first of all that was looked at, then what was named."""
    found = []
    for entry in [e for e in every if e["low"] is not None and e["low"] > 0][:_NAMED_BY_METHOD]:
        found.append({"kind": kind, "method": method, "named": False, **entry})
    for entry in named:
        if entry["low"] is not None and entry["low"] > 0:
            kept = {key: entry[key] for key in ("what", "low", "high", "before", "after", "n", "noise", "beyond_noise")}
            own = {"kind": entry["kind"], "method": method, "named": True, "gain": entry["difference"]}
            found.append({**own, "total": entry["difference"] * entry["n"] / n, **kept})
    return found


def _per_example(noise: Sequence[Repetition], n: int) -> list[list[tuple[Values, Values]]]:
    return [[(x[i], y[i]) for x, y in noise] for i in range(n)]


def _noise(of: Answers) -> dict[str, Any]:
    if of.retrained:
        kind, text = "retrained", "the same model trained again with another seed, on the same masks"
    elif of.fixed:
        kind = "none"
        text = "repeating this method gives the same values; only retrained models (`--null RUN`) can say what is noise"
    elif of.repeated:
        kind, text = "repeated", "the same model explained again with other masks"
    else:
        kind, text = "none", "no explanation was repeated (compare.repeats = 0) and no retrained model was given"
    return {"kind": kind, "repetitions": len(of.noise), "text": text}


def _sentence(of: Answers, measures: Mapping[str, Mapping[str, Any]], claimed: Sequence[str]) -> str:
    judged = [m for m, entry in measures.items() if entry["claimed"] is not None]
    if not judged:
        differ = "The values are the same" if _same({"measures": measures}) else "The explanations differ"
        return f"{differ}; nothing is claimed, as {_noise(of)['text']}."
    if claimed:
        titles = [MEASURES[m].title for m in claimed]
        return f"Moved beyond noise by {len(claimed)} of {len(judged)} measures: {', '.join(_few(titles))}."
    return f"Within the noise ({_noise(of)['text']}) by all {len(judged)} measures, so no change is claimed."


def _same(entry: Mapping[str, Any]) -> bool:
    known = [m["distance"] for m in entry["measures"].values() if m["distance"] is not None]
    return bool(known) and all(d["median"] <= 1e-9 and d["q3"] <= 1e-9 for d in known)


def _few(items: Sequence[str]) -> list[str]:
    return [*items[:3], *([f"{len(items) - 3} more"] if len(items) > 3 else [])]
