"""Rerun: some of a run's predictions and explanations computed again, and compared with what it holds."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from workbench.config import read_resolved
from workbench.engines.progress import Progress
from workbench.errors import DataError
from workbench.records import attribution_rows, read_predictions
from workbench.run import CONFIG, Run, write_atomically
from workbench.stages.explain import explain
from workbench.stages.session import Session
from workbench.types import Values

# Batches of other sizes add up in another order, so equal answers differ by rounding alone.
TOLERANCE = 1e-4
_STREAM = 104729  # keeps the choice apart from the run's own draws
_MODELS = ("base", "tuned", "onnx")


def rerun_some(run: Run, n: int, *, device: str = "auto", progress: Progress | None = None) -> dict[str, list[str]]:
    """Compute up to `n` predictions of the deployed file and `n` explained cases again.

    The data are read from their source, whose fingerprint must be what it was. Nothing is
    written into the run.

    Returns:
        `problems` and `checked`: sentences.

    Raises:
        DataError: the data are no longer what the run was made with, or are gone.
    """
    session = Session.open(run.path, device=device, progress=progress)
    then = str(run.manifest["stages"].get("prepare", {}).get("sha256", ""))
    if session.sha256 != then:
        raise DataError(
            f"{session.config.data.source} is not what this run was made with (fingerprint {then[:12]} then, "
            f"{session.sha256[:12]} now)",
            hint="bring the data back to compute numbers again",
        )
    rng = np.random.default_rng([session.config.seed, _STREAM])
    found: dict[str, list[str]] = {"problems": [], "checked": []}
    _predictions(session, n, rng, found)
    if run.has("cases.json"):
        _explanations(session, n, rng, found)
    return found


def _predictions(session: Session, n: int, rng: np.random.Generator, found: dict[str, list[str]]) -> None:
    kept = read_predictions(session.run, "onnx")
    rows = np.sort(rng.permutation(len(kept.ids))[:n])
    inputs = [session.dataset.by_id[str(kept.ids[row])].input for row in rows]
    encoded = session.task.modality.encode(inputs, session.preparation)
    then = kept.values[:, None] if isinstance(kept, Values) else kept.logits
    off = []
    for place, row in enumerate(rows):
        scores = np.asarray(session.onnx.outputs(encoded.batch([place])), dtype=np.float64)
        now = session.task.decode(scores, _facts(session, row))
        again = now.values[:, None] if isinstance(now, Values) else now.logits
        if not _close(again[0], then[row]):
            off.append(str(kept.ids[row]))
    _say(found, "prediction", len(rows), off, "onnx/predictions.parquet")


def _facts(session: Session, row: int) -> dict[str, Any]:
    facts = session.facts("onnx")
    for key in ("ids", "splits"):
        facts[key] = facts[key][[row]]
    return {**facts, "targets": [facts["targets"][row]], "groups": {}}


def _explanations(session: Session, n: int, rng: np.random.Generator, found: dict[str, list[str]]) -> None:
    ids = [case["id"] for case in session.run.read_json("cases.json")["cases"]]
    chosen = [ids[i] for i in np.sort(rng.permutation(len(ids))[:n])]
    with tempfile.TemporaryDirectory() as folder:
        other = _explained_again(session, chosen, Path(folder) / "run")
        names = [f"{m}/attributions" for m in _MODELS]
        off: dict[str, list[str]] = {}
        for name in session.run.files(*names):
            if not name.endswith(".parquet"):
                continue
            then, now = (attribution_rows(r, name, chosen) for r in (session.run, other))
            for example in chosen:
                if example in then and not (example in now and _close(now[example], then[example])):
                    off.setdefault(name, []).append(example)
        bad = sorted({example for examples in off.values() for example in examples})
        _say(found, "explained case", len(chosen), bad, ", ".join(off))


def _explained_again(session: Session, ids: list[str], folder: Path) -> Run:
    """A copy of what explaining needs, with these cases explained anew."""
    home = session.run
    left_out = {f"{m}/attributions" for m in _MODELS}
    for name in home.manifest["files"]:
        if not any(name.startswith(part) for part in (*left_out, "previews/", "inspect/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home.path / name, folder / name)
    config = read_resolved(folder / CONFIG)
    config = config.model_copy(update={"explain": config.explain.model_copy(update={"ids": tuple(ids)})})
    write_atomically(folder / CONFIG, tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)).encode())
    other = Run(folder)
    other.begin(**{k: v for k, v in home.manifest.items() if k not in ("stages", "files", "schema", "sha256")})
    again = Session(other, config, session.device, session.progress)
    again._read = session._read
    explain(again)
    return other


def _close(now: np.ndarray, then: np.ndarray) -> bool:
    """Whether values are equal but for rounding: relative to the largest of them."""
    if now.shape != then.shape:
        return False
    return bool(np.all(np.abs(now - then) <= TOLERANCE * (1 + np.abs(then).max(initial=0.0))))


def _say(found: dict[str, list[str]], what: str, n: int, off: list[str], where: str) -> None:
    if off:
        named = ", ".join(off[:5]) + (f" and {len(off) - 5} more" if len(off) > 5 else "")
        found["problems"].append(f"{len(off)} of {n} {what}s computed again differ from {where}: {named}")
    else:
        found["checked"].append(f"{n} {what}{'s' if n != 1 else ''} computed again, equal to what the run holds")
