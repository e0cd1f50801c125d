"""Inspect: everything that is said of an explained example, of any one example, as fast as it can be.

The example becomes the only case of a small run of its own, which the same stages explain,
assess and contrast by the models of the run that is asked. The data are read only where the
run itself does not hold what is needed.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from workbench import registry
from workbench.backbones.contract_rows import check_rows
from workbench.bank import remember
from workbench.config import Assess, Config
from workbench.data.single import single_input
from workbench.engines.progress import Progress
from workbench.errors import ArtefactError, DataError, MissingDependency, UsageError
from workbench.explainers import run_explainer
from workbench.quality.card import quality_card
from workbench.records import finite, read_predictions, write_predictions
from workbench.run import CONFIG, Run, write_atomically
from workbench.stages.assess import CONTROL, assess, card_rng
from workbench.stages.contrast import Contrasts
from workbench.stages.explain import Asked, Told, explain
from workbench.stages.familiar import EMBEDDINGS, EXCERPTS, Familiar
from workbench.stages.lone_models import Models
from workbench.stages.session import ALONE, SIDES, Session
from workbench.types import Example, Predictions

# The card of the masks alone: further trials ask for more time than one answer may take, and for other examples.
_ASSESS = Assess(seeds=0, randomised=0, other_class=0, perturbed=0, masked=0, second_filler="none")
_COPIED = (*(f"onnx/{n}.json" for n in ("contract", "twin", "decisions")), "tuned/finetune.json")


@dataclass(frozen=True)
class Inspected:
    """Where what was found lies: a run directory that holds the case `id`.

    `stored` says that it is the run that was asked: the case had been explained before.
    """

    run: Run
    id: str
    stored: bool


def inspect(
    path: str | Path,
    folder: str | Path,
    *,
    id: str = "",
    value: Any = None,
    before: bool | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    ahead: Future[Any] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Inspected:
    """Explain one example of a run's data, or a new input, with every configured method.

    Args:
        path: the run.
        folder: an empty folder for the small run.
        id: of an example of the run's data.
        value: a new input instead (see `workbench.data.single.single_input`).
        before: whether the model before customisation is explained too; None: unless it is a
            text, where that takes as long again, or torch is not installed. What it decides is said of
            the run's own examples, and of new rows and pictures where torch is there.
        device: "auto", "cpu" or "cuda".
        ahead: the deployed file that is being loaded (`workbench.backbones.ahead`).
        meanwhile: done by a thread of its own while the deployed file answers to masks.

    Raises:
        UsageError: there is no such id, or neither or both of `id` and `value` are given.
        DataError: the input cannot be used. ArtefactError: the run is not complete.
    """
    home = Session.open(path, device=device, progress=progress)
    if bool(id) == (value is not None):
        raise UsageError("one example is inspected: an id or an input", hint="--id ID, or --input TEXT|FILE")
    _check_complete(home)
    given_before = bool(before)
    if id and _is_stored(home.run, id):
        return Inspected(home.run, id, True)
    predicted = _predictions(home, id) if id else None
    models = Models(home, ahead)
    if home.audited and given_before:
        raise UsageError("--before: this run audits a model that was not trained here", hint="leave it out")
    if given_before and not models.can_ask_before:
        raise MissingDependency("torch", "the model before customisation")
    if before is None:
        before = home.task.modality_name != "text" and models.can_ask_before
    before = before and not home.audited
    # Of a new text the model before is not asked: importing torch takes longer than all that is said here.
    asks = before or (predicted is None and home.task.modality_name != "text")
    models.with_base = models.can_ask_before and not home.audited and asks
    if id:
        example = _example(home, id)
    else:
        preparation = models.onnx.preparation
        columns = getattr(preparation, "columns", ())
        name, given = single_input(value, home.config.data, preparation.modality, columns)
        if home.audited:
            check_rows(home.onnx.contract, [(name, given)])
        example = Example(name, given, None, "new")
    models.begin()
    one = One.of(home, models, example, Path(folder), before=before)
    after = predicted[1] if predicted else one.predict("onnx")
    # What the first says is known once torch is there.
    told = dict.fromkeys(("onnx",) if home.audited else ("base", "onnx"), after)
    asked = Asked(one, told=told)
    if not asked.cases:
        reason = asked.left_out[0]["reason"]
        raise DataError(f"{example.id!r} cannot be explained: {reason}", hint="give an input of two parts or more")
    familiar = Familiar(home.run) if home.run.has(EMBEDDINGS) and home.run.has(EXCERPTS) else None
    contrasts = Contrasts(one, asked, familiar)
    turns = {example.id: _ahead(one, contrasts, told, meanwhile)}
    known = predicted is not None or models.with_base
    if known and not home.audited:
        told["base"] = predicted[0] if predicted else one.predict("base")
    for model, predictions in told.items():
        write_predictions(one.run, model, predictions)
    explain(one)
    if not known and not home.audited:
        _leave_before_open(one.run)
    assess(one)
    one.run.write_json("contrasts.json", finite(contrasts.with_neighbours(turns)))
    return Inspected(one.run, example.id, False)


def _ahead(one: One, contrasts: Contrasts, told: Told, meanwhile: Callable[[], object] | None) -> dict[str, Any]:
    """What the deployed file can say while torch is still being loaded beside it.

    The masks that the explanations and their tests will put to it are put here; it remembers
    its answers.
    """
    one_sided = replace(one, before=False).like(one)
    asked = Asked(one_sided, told=told)
    with ThreadPoolExecutor(1) as beside:  # ended before anything else is imported: two threads could meet there
        if meanwhile is not None:
            beside.submit(meanwhile)
        ((case, (bank,)),) = asked.banks(one_sided.sides)
    told = contrasts.turns(case, bank)
    probe = asked.probe(case, "onnx")
    chance = run_explainer(registry.load("controls", CONTROL), probe, bank=bank, seed=one.config.seed)
    quality_card(remember(probe, bank)[0], chance, bank=bank, rng=card_rng(one, case))
    return told


def _leave_before_open(run: Run) -> None:
    """What the model before decides is not known where it was not asked."""
    content = run.read_json("cases.json")
    for case in content["cases"]:
        case["before"] = None
    run.write_json("cases.json", content)


def _check_complete(home: Session) -> None:
    run = home.run
    for name in ("onnx/model.onnx", *(f"{m}/predictions.parquet" for m in home.predictors if m != "tuned")):
        if not run.has(name):
            raise ArtefactError(f"{run.path / name} is missing", hint=f"run `workbench assess {run.path}` first")


def _is_stored(run: Run, id: str) -> bool:
    """Whether a run holds every part of what is said of an example."""
    if not all(run.has(name) for name in ("cases.json", "quality.json", "contrasts.json")):
        return False
    return any(case["id"] == id for case in run.read_json("cases.json")["cases"]) and id in run.read_json(
        "contrasts.json"
    ).get("cases", {})


def _predictions(home: Session, id: str) -> tuple[Predictions, Predictions]:
    """The one row of the model before, where there is one, and of the deployed file."""
    found, run = [], home.run
    for model in ("base", "onnx") if not home.audited else ("onnx", "onnx"):
        predictions = read_predictions(run, model)
        rows = np.flatnonzero(predictions.ids.astype(str) == id)
        if not len(rows):
            names = [str(name) for name in predictions.ids]
            close = difflib.get_close_matches(id, names, n=1, cutoff=0.6)
            raise UsageError(
                f"no example of {run.path} has the id {id!r}",
                hint=f"did you mean {close[0]!r}?" if close else f"ids look like {names[0]!r}",
            )
        found.append(predictions.where(rows[:1]))
    return found[0], found[1]


def _example(home: Session, id: str) -> Example:
    """The example from the run's data."""
    try:
        return home.dataset.by_id[id]
    except KeyError:
        raise DataError(
            f"{home.config.data.source} no longer has the example {id!r}", hint="bring the data back as they were"
        ) from None


@dataclass
class One(Session):
    """A session on one example with the models of another run."""

    models: Models | None = None
    before: bool = True

    @property
    def sides(self) -> Mapping[str, tuple[str, str]]:
        """Both, or the model after alone."""
        return SIDES if self.before else ALONE

    @classmethod
    def of(cls, home: Session, models: Models, example: Example, folder: Path, *, before: bool) -> One:
        """Make the small run and a session on it."""
        explain = home.config.explain.model_copy(update={"ids": (example.id,)})
        update = {"explain": explain, "assess": _ASSESS, "name": example.id}
        config: Config = home.config.model_copy(update=update)
        run = Run.create(folder)
        write_atomically(run.path / CONFIG, tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)).encode())
        then = home.run.manifest
        run.begin(**{k: v for k, v in then.items() if k not in ("stages", "files", "schema")})
        for name in ("data/fingerprint.json", *_COPIED):
            if home.run.has(name):
                (run.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(home.run.path / name, run.path / name)
        one = cls(run, config, home.device, home.progress, models=models, before=before)
        data = models.lone.dataset
        # Of a table the training rows stay: they stand for hidden columns and bound what may change.
        others = tuple(e for e in data.examples if e.split == "train") if models.table else ()
        one._read = (replace(data, examples=(*others, replace(example, split="test"))), (), "")
        return one

    def like(self, other: One) -> One:
        """This session with the data that another has read."""
        self._read = other._read
        return self

    @cached_property
    def base(self) -> Any:
        assert self.models is not None
        return self.models.base

    @cached_property
    def tuned(self) -> Any:
        assert self.models is not None
        return self.models.tuned

    @cached_property
    def onnx(self) -> Any:
        assert self.models is not None
        return self.models.onnx

    def thresholds(self, model: str) -> np.ndarray | None:
        """Those of the run that is asked."""
        assert self.models is not None
        return self.models.lone.thresholds(model)

    def predict(self, model: str) -> Predictions:
        """One model's prediction of the example."""
        encoded = self.task.modality.encode([self.dataset.examples[-1].input], self.preparation)
        facts: dict[str, Any] = self.facts(model)
        last: Sequence[int] = [len(self.dataset.examples) - 1]
        for key in ("ids", "splits"):
            facts[key] = facts[key][last]
        facts["targets"] = [facts["targets"][last[0]]]
        facts["groups"] = {}
        return self.task.decode(np.asarray(getattr(self, model).outputs(encoded.batch([0])), dtype=np.float64), facts)
