"""Compare runs: the deployed models of two runs on the same examples, and whether their reasons are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workbench import __version__
from workbench.config import Config, build_config
from workbench.engines.progress import Progress
from workbench.errors import DataError, UsageError
from workbench.explainers import find_method
from workbench.metrics.paired import compare as compare_predictions
from workbench.metrics.paired_labels import compare_labels
from workbench.quality.reasons import Answers, Settings, describe
from workbench.records import finite, write_attributions, write_predictions
from workbench.run import ABOUT, CONFIG, MANIFEST, Run, digest
from workbench.stages.compare import side as identity
from workbench.stages.evaluate import clusters_of
from workbench.stages.flips import NAME as FLIPS
from workbench.stages.flips import OUTPUTS as FLIPPED
from workbench.stages.flips import flips_of_runs, without
from workbench.stages.named import named_parts
from workbench.stages.pairing import MODEL, Paired, pair_runs
from workbench.stages.repeats import answers, explain_again
from workbench.stages.session import Session
from workbench.stages.shift import SHIFT, explained
from workbench.stages.two_runs import AFTER, BEFORE, AskedOfRuns, Pair, explain_all, unreadable, usable_methods
from workbench.types import ClassScores, LabelScores

KIND = "comparison"
_OUTPUTS = ("base", "onnx", "data", "previews", "cases.json", "comparison.json", SHIFT, *FLIPPED)
_MODEL_OF = {BEFORE: "base", AFTER: "onnx"}  # where each side's files lie in the comparison's folder
# What may differ between a run and its twin that was trained with another seed.
_MAY_DIFFER = {"seed", "name", "out", "explain", "report", "card", "compare", "evaluate", "predict"}


def compare_runs(
    a: str | Path,
    b: str | Path,
    *,
    on: str = "same",
    nulls: tuple[str | Path, ...] = (),
    margin: float | None = None,
    overrides: tuple[str, ...] = (),
    out: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Run:
    """Write a comparison's folder: predictions, explanations and what differs beyond noise (docs/artefacts.md).

    Args:
        a: the run that stands for "before".
        b: the run that stands for "after".
        on: "same" wants equal data, "common" takes the examples and labels that both hold.
        nulls: runs of the config of `a` or `b` with other seeds: what retraining alone changes.
        margin: largest acceptable loss; None takes that of the configs.
        overrides: `key=value` pairs over the config of `a`, such as `compare.words=["zq7"]`.
        out: the folder; None puts it beside the first run.
        device: "auto", "cpu" or "cuda".
        progress: where progress is shown.

    Raises:
        DataError: the two cannot be compared, or a null run is no twin.
        UsageError: `out` holds something else.
    """
    progress = progress or Progress()
    sessions = {BEFORE: Session.open(a, device=device, progress=progress)}
    sessions[AFTER] = Session.open(b, device=device, progress=progress)
    for i, path in enumerate(nulls):
        sessions[f"null-{i}"] = Session.open(path, device=device, progress=progress)
    parents = {name: _parent(name, s, sessions) for name, s in sessions.items() if name.startswith("null-")}
    paired = pair_runs(sessions[BEFORE], sessions[AFTER], on=on)
    names = _names(sessions)
    config = _settings(sessions, margin, overrides)
    run = _folder(out or sessions[BEFORE].run.path.parent / f"{names[BEFORE]}-vs-{names[AFTER]}")
    with run.lock():
        _identify(run, sessions, names, config, on)
        wanted = config.model_dump(mode="json", include={"compare", "evaluate", "explain"})
        files = {name: _judged(s.run) for name, s in sessions.items()}
        key = digest([__version__, on, wanted, files])
        if run.fresh("compare", key):
            progress.say("compare: done before, nothing has changed")
            return run
        progress.say("compare ...")
        with run.stage("compare", key, _OUTPUTS):
            pair = Pair(run, config, sessions, progress)
            _write(pair, paired, names, parents, on)
    return run


def _judged(run: Run) -> dict[str, str]:
    """Hashes of a run's files, those left out that are about it or hold its times alone."""
    return {n: sha for n, sha in run.manifest["files"].items() if n not in (*ABOUT, "timings.json")}


def _write(pair: Pair, paired: Paired, names: dict[str, str], parents: dict[str, str], on: str) -> None:
    run, first = pair.run, pair.sessions[BEFORE]
    notes = list(paired.notes)
    write_predictions(run, "base", paired.before)
    write_predictions(run, "onnx", paired.after)
    run.write_json("data/fingerprint.json", finite(_data(pair, paired, names)))
    drawn: dict[str, Any] = {k: getattr(pair.config.evaluate, k) for k in ("resamples", "confidence")}
    drawn["seed"] = pair.config.seed
    why = unreadable(first)
    clusters = None if why else clusters_of(first, paired.before.ids)
    if why and pair.config.data.group:
        notes.append(
            f"Groups ({pair.config.data.group}) were not taken into account, as the data cannot be read: {why}."
        )
    settings = {**drawn, "clusters": clusters, "names": (names[BEFORE], names[AFTER])}
    margin, (before, after) = pair.config.compare.margin, (paired.before, paired.after)
    if isinstance(before, LabelScores) and isinstance(after, LabelScores):
        found = compare_labels(before, after, margin=margin, **settings)
    else:
        found = compare_predictions(before, after, margin=margin, **settings)
    shift = {"sentence": f"The explanations were not compared: {why}.", "moved_to": []} if why else None
    if shift is None:
        shift = _reasons(pair, names, parents, drawn, notes)
        run.write_json(SHIFT, finite(shift))
        flips_of_runs(pair, found["flips"])
    else:
        run.write_json(FLIPS, without(f"The data cannot be read: {why}."))
    sides = {who: identity(pair.sessions[side].run, MODEL) for who, side in (("before", BEFORE), ("after", AFTER))}
    more = {
        "on": on,
        "notes": notes,
        "sides": sides,
        "nulls": [identity(pair.sessions[name].run, MODEL) for name in parents],
        "shift": {"sentence": shift["sentence"], "file": "" if why else SHIFT},
        "moved_to": shift["moved_to"],
    }
    run.write_json("comparison.json", finite(found | more))


def _reasons(
    pair: Pair, names: dict[str, str], parents: dict[str, str], settings: dict[str, Any], notes: list[str]
) -> dict[str, Any]:
    """Explain one sample under every model and describe how far the explanations lie apart."""
    wanted = pair.config.compare
    asked = AskedOfRuns(pair)
    parts = named_parts(wanted, pair.task.modality_name, asked.cases, pair.preparation)
    methods = usable_methods(pair.sessions, notes)
    found = explain_all(asked, methods, notes)
    methods = tuple(name for name in methods if name in found[BEFORE])
    two = {side: models for side, models in pair.models.items() if side in (BEFORE, AFTER)}
    again = explain_again(asked, two, methods, wanted.repeats, pair.progress) if not parents else {}
    for name in methods:
        for side, model in _MODEL_OF.items():
            method, own = find_method(name), found[side][name]
            facts: dict[str, Any] = {"explainer": name, "title": method.title, "caption": method.caption}
            facts |= {"backbone": model, "library": method.library, "seed": pair.config.seed}
            facts |= {"unitless": method.unitless, "filler": asked.filler_text}
            if own:
                facts["filler"] = asked.filler_of(method, own[0])
                facts["unit"] = "" if method.unitless else own[0].question.unit
            write_attributions(pair.run, model, facts, own)
    pair.run.write_json("cases.json", finite(asked.describe()))
    values = {
        side: {name: {a.example_id: a.values for a in of_method} for name, of_method in of_side.items()}
        for side, of_side in found.items()
    }
    described: dict[str, Answers] = {}
    for name in methods:
        twins = [(values[parents[null]][name], values[null][name]) for null in parents]
        alike = [(x, y) for x in parents for y in parents if x < y and parents[x] == parents[y]]
        twins += [(values[x][name], values[y][name]) for x, y in alike]
        repeated = {side: again[side][name] for side in two} if again and wanted.repeats else {}
        title = find_method(name).title
        ids = [c["id"] for c in asked.cases]
        described[name] = answers(ids, title, values[BEFORE][name], values[AFTER][name], repeated, twins)
    extra = {"repeats": 0 if parents else wanted.repeats, "budget": asked.budget, "nulls": [names[n] for n in parents]}
    content = describe(
        explained(asked), described, parts, modality=pair.task.modality_name, settings=Settings(**settings, extra=extra)
    )
    who = {w: {"run": names[s], "model": MODEL, "text": ""} for w, s in (("before", BEFORE), ("after", AFTER))}
    return who | content


def _parent(name: str, null: Session, sessions: dict[str, Session]) -> str:
    """The side that a null run is the twin of: equal config, another seed."""

    def core(session: Session) -> dict[str, Any]:
        return session.config.model_dump(mode="json", exclude=_MAY_DIFFER)

    for side in (BEFORE, AFTER):
        if core(null) == core(sessions[side]) and null.config.seed != sessions[side].config.seed:
            return side
    ours, theirs = core(sessions[BEFORE]), core(null)
    differ = [key for key in ours if ours[key] != theirs.get(key)]
    why = f"its [{differ[0]}] differs" if differ else "its seed is the same"
    raise DataError(
        f"{null.run.path} is no retrained twin of either run: {why}",
        hint="run the same config with another seed: workbench run CONFIG --set seed=1 --set name=NAME",
    )


def _names(sessions: dict[str, Session]) -> dict[str, str]:
    """What each run is called; folders tell two of one name apart."""
    names = {side: str(s.run.manifest.get("name") or s.run.path.name) for side, s in sessions.items()}
    if names[BEFORE] == names[AFTER]:
        names |= {side: f"{sessions[side].run.path.resolve().parent.name}-{names[side]}" for side in (BEFORE, AFTER)}
    if names[BEFORE] == names[AFTER]:
        names[AFTER] = f"{names[AFTER]}-2"
    return names


def _settings(sessions: dict[str, Session], margin: float | None, overrides: tuple[str, ...]) -> Config:
    """The config of the first run; margin, words, columns and regions of both."""
    first, second = (sessions[side].config for side in (BEFORE, AFTER))
    raw = first.model_dump(mode="json")
    for key in ("words", "columns", "regions"):
        both = [*raw["compare"][key], *second.model_dump(mode="json")["compare"][key]]
        raw["compare"][key] = [v for i, v in enumerate(both) if v not in both[:i]]
    raw["compare"]["margin"] = first.compare.margin or second.compare.margin if margin is None else margin
    raw["explain"]["ids"] = []
    config = build_config(raw, overrides, where="compare")
    explain = config.explain.model_copy(update={"samples": config.compare.samples})
    return config.model_copy(update={"explain": explain})


def _folder(path: str | Path) -> Run:
    run = Run(path)
    if (run.has(MANIFEST) and run.manifest.get("kind") != KIND) or run.has(CONFIG):
        raise UsageError(f"{run.path} is a run, not a comparison", hint="name another folder with --out")
    return Run.create(path)


def _identify(run: Run, sessions: dict[str, Session], names: dict[str, str], config: Config, on: str) -> None:
    first = sessions[BEFORE].run.manifest
    run.begin(
        kind=KIND,
        name=run.path.name,
        task=config.task,
        title="",
        seed=config.seed,
        created=max(str(s.run.manifest.get("created", "")) for s in sessions.values()),
        workbench=__version__,
        packages=first.get("packages", {}),
        python=first.get("python"),
        platform=first.get("platform"),
        device=first.get("device", {}),
        git=first.get("git"),
        config_sha256=digest(config.model_dump(mode="json")),
        on=on,
        runs={
            side: {
                "name": names[side],
                "path": str(s.run.path.resolve()),
                "config_sha256": s.run.manifest.get("config_sha256"),
            }
            for side, s in sessions.items()
        },
    )


def _data(pair: Pair, paired: Paired, names: dict[str, str]) -> dict[str, Any]:
    """A fingerprint of what was compared, as the report reads it."""
    known = pair.sessions[BEFORE].run.read_json("data/fingerprint.json")
    content = {k: known.get(k) for k in ("modality", "unit", "target_name", "columns") if k in known}
    content |= {"name": f"{names[BEFORE]} and {names[AFTER]}", "source": known.get("source", "")}
    content |= {"splits": {"test": len(paired.before.ids)}, "skipped": [], "notes": []}
    if isinstance(paired.before, ClassScores):
        content["labels"] = list(paired.before.labels)
        counts = np.bincount(paired.before.targets[paired.before.targets >= 0], minlength=len(paired.before.labels))
        content["classes"] = {"test": dict(zip(paired.before.labels, counts.tolist(), strict=True))}
    return content
