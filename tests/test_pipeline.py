"""Whole runs: what is written, what is done again, what equal runs share, what an interruption costs."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from opened import opened
from runs import KINDS, TINY, config_of, contents, copy_of, made, write_data

import workbench
from workbench import pipeline
from workbench.config import read_config
from workbench.engines.progress import Progress
from workbench.errors import ArtefactError, ConfigError, DataError, StageError, UnknownName
from workbench.metrics.paired import compare
from workbench.records import finite, read_predictions
from workbench.reporting import build_report
from workbench.run import ADDED, Run
from workbench.stages.familiar import EMBEDDINGS, Familiar
from workbench.stages.reads import AUDIT, READS, STAGES
from workbench.stages.session import Session

SLOW = pytest.mark.slow
EXPLAINERS = ("integrated-gradients", "shap", "lime")


class Said(Progress):
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    @property
    def done(self) -> list[str]:
        """Stages that were worked on."""
        return [line.removesuffix(" ...") for line in self.lines if line.endswith(" ...")]


def again(config: Path, run: Path, *overrides: str) -> list[str]:
    """Run a config over an existing run; the stages that were worked on."""
    said = Said()
    options = (*TINY, f"out={str(run.parent)!r}", f"name={run.name!r}", *overrides)
    pipeline.run_config(config, options, device="cpu", progress=said)
    return said.done


def redo_export(run: Run) -> None:
    """Another file of the same model: what another exporter, or another version of it, would write."""
    import onnx

    model = onnx.load(run.path / "onnx" / "model.onnx")
    model.producer_version = "another"
    entry = run.manifest["stages"]["export"]
    with run.stage("export", entry["key"], tuple(entry["outputs"]), entry["inputs"]):
        run.write_bytes("onnx/model.onnx", model.SerializeToString(deterministic=True))


def test_every_stage_says_what_it_reads() -> None:
    assert set(READS) == {*STAGES, *AUDIT}


@pytest.mark.parametrize("kind", ["classes", pytest.param("texts", marks=SLOW), pytest.param("pictures", marks=SLOW)])
def test_a_stage_reads_no_file_but_those_it_depends_on(kind: str, tmp_path: Path) -> None:
    """Each stage done again in a run that holds nothing else: it succeeds, with equal bytes."""
    whole = contents(made(kind))
    for stage in STAGES[2:]:
        run = copy_of(kind, tmp_path / stage)
        kept = {*run.hashes(*READS[stage]), "manifest.json", "config.toml", "data/fingerprint.json"}
        outputs = [n for n in run.manifest["stages"][stage]["outputs"] if n in whole]
        for path in [p for p in run.path.rglob("*") if p.is_file()]:
            if path.relative_to(run.path).as_posix() not in kept:
                path.unlink()
        manifest = run.manifest
        key, inputs = manifest["stages"][stage]["key"], manifest["stages"][stage]["inputs"]
        session = Session.open(run.path, device="cpu", progress=Said())
        assert (session.key(stage), session.inputs(stage)) == (key, inputs)
        assert pipeline._stage(stage)(session)
        again_ = contents(run)
        assert [n for n in outputs if again_.get(n) != whole[n]] == [], stage


@pytest.mark.parametrize("kind", KINDS)
class TestWholeRuns:
    def test_every_artefact_is_there_and_hashed(self, kind: str) -> None:
        run = made(kind)
        manifest = run.manifest
        assert list(manifest["stages"]) == [*STAGES, "report"] and run.verify() == []
        expected = {
            *("config.toml", "report.html", "cases.json", "comparison.json", "quality.json", "timings.json"),
            "global.json",
            *("data/fingerprint.json", "data/checks.json", "data/splits.parquet"),
            *("tuned/history.jsonl", "tuned/finetune.json", "tuned/checkpoint/model.safetensors"),
            *("onnx/model.onnx", "onnx/parity.json", "onnx/providers.json"),
            *(f"{m}/{name}" for m in ("base", "tuned", "onnx") for name in ("predictions.parquet", "metrics.json")),
            *(f"{m}/attributions/{e}.{s}" for m in ("base", "onnx") for e in EXPLAINERS for s in ("parquet", "json")),
            *("onnx/explain.onnx", "onnx/variants.json", "onnx/latency.json", "flips.json"),
        }
        there = set(run.files())
        assert expected <= there
        assert set(manifest["files"]) == there  # every file is in the manifest, and no other
        assert not [p for p in run.path.rglob("*") if "partial" in p.name or p.name == "training"]
        assert not [p for p in run.path.rglob("*") if p.suffix in {".pkl", ".pickle", ".pt", ".bin"}]

    def test_manifest_says_what_made_it(self, kind: str) -> None:
        manifest = made(kind).manifest
        assert manifest["name"] == kind and manifest["schema"] == 1 and manifest["workbench"] == workbench.__version__
        assert manifest["packages"]["torch"] and manifest["device"]["torch"] == "cpu"
        assert manifest["created"].endswith("+00:00") and len(manifest["config_sha256"]) == 64

    def test_splits_and_predictions_are_of_the_same_examples(self, kind: str) -> None:
        run = made(kind)
        splits = pq.read_table(run.path / "data" / "splits.parquet").to_pydict()
        for model in ("base", "tuned", "onnx"):
            found = read_predictions(run, model)
            assert found.ids.tolist() == splits["id"] and found.splits.tolist() == splits["split"]
        assert all(len(sha) == 64 for sha in splits["sha256"]) and set(splits["split"]) == {
            "train",
            "validation",
            "test",
        }
        counts = run.read_json("data/fingerprint.json")["splits"]
        assert counts == {s: splits["split"].count(s) for s in counts}

    def test_the_deployed_file_is_the_trained_model(self, kind: str) -> None:
        run = made(kind)
        assert run.read_json("onnx/parity.json")["passed"]
        tuned, onnx = read_predictions(run, "tuned"), read_predictions(run, "onnx")
        a, b = (getattr(p, "logits", getattr(p, "values", None)) for p in (tuned, onnx))
        assert np.abs(a - b).max() <= 1e-4 * (1 + np.abs(a).max())

    def test_a_second_time_nothing_is_done_but_the_report(self, kind: str, tmp_path: Path) -> None:
        run = copy_of(kind, tmp_path)
        before = contents(run)
        assert again(config_of(kind), run.path) == ["report"]
        assert contents(run) == before

    @pytest.mark.parametrize("name", ["report.html"])
    def test_the_report_names_every_explained_case(self, kind: str, name: str) -> None:
        run = made(kind)
        page = opened((run.path / name).read_text(encoding="utf-8"))
        cases = run.read_json("cases.json")["cases"]
        assert len(cases) == 2 and all(case["id"] in page for case in cases)
        assert "could not be built" not in page


@pytest.mark.parametrize("kind", ["values", *(pytest.param(k, marks=SLOW) for k in KINDS if k != "values")])
def test_equal_runs_are_equal_byte_for_byte(kind: str, tmp_path: Path) -> None:
    other = pipeline.run_config(
        config_of(kind), (*TINY, f"out={str(tmp_path)!r}"), device="cpu", progress=Progress(quiet=True)
    )
    ours, theirs = contents(made(kind)), contents(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    hashes = [{k: v for k, v in r.manifest["files"].items() if k in ours} for r in (made(kind), other)]
    assert hashes[0] == hashes[1]


# What each stage calls in its middle, and which call of it is interrupted.
MIDDLES = {
    "prepare": ("workbench.stages.prepare.check", 1),
    "finetune": ("workbench.backbones.torch.TorchBackbone.save", 1),
    "export": ("workbench.backbones.export.check_parity", 1),
    "predict": ("workbench.stages.predict.write_predictions", 2),
    "evaluate": ("workbench.stages.evaluate.write_measures", 2),
    "slices": ("workbench.stages.slices.slice_results", 1),
    "compare": ("workbench.stages.compare.compare_predictions", 1),
    "variants": ("workbench.stages.variants._measure", 1),
    "explain": ("workbench.records.AttributionWriter.close", 3),
    "assess": ("workbench.stages.assess.quality_card", 2),
    "overall": ("workbench.stages.overall._attributions", 1),
    "flips": ("workbench.stages.flips.without", 1),
    "shift": ("workbench.stages.shift.describe", 1),
    "contrast": ("workbench.stages.contrast.change_values", 2),
    "report": ("workbench.report.build.render", 1),
}


def break_at(monkeypatch: pytest.MonkeyPatch, target: str, call: int, error: BaseException) -> None:
    """Let the `call`th call of a function raise."""
    place, _, name = target.rpartition(".")
    module, _, cls = place.rpartition(".") if place.rpartition(".")[2].lstrip("_")[0].isupper() else (place, "", "")
    owner: Any = importlib.import_module(module)
    owner = getattr(owner, cls) if cls else owner
    original: Callable[..., Any] = getattr(owner, name)
    calls = iter(range(1, 1000))

    def broken(*args: Any, **options: Any) -> Any:
        if next(calls) == call:
            raise error
        return original(*args, **options)

    monkeypatch.setattr(owner, name, broken)


def foreign(run: Run, stage: str) -> list[str]:
    """What `verify` finds but whole files of the stage that was broken off, and what it goes on from."""
    own = {f"{name} {ADDED}" for name in made("values").manifest["stages"][stage]["outputs"]}
    parts = tuple(f"{model}/.shards/" for model in ("base", "tuned", "onnx"))
    resumed = {
        "finetune": ("tuned/training/", "tuned/tensorboard/"),
        "predict": parts,
        "explain": ("onnx/.explained/",),
    }.get(stage, ())
    return [p for p in run.verify() if p not in own and not (p.startswith(resumed) and p.endswith(ADDED))]


def test_an_interruption_in_any_stage_costs_that_stage_alone(tmp_path: Path) -> None:
    """The same command goes on after Ctrl-C, once in every stage of one run, and ends like the undisturbed run."""
    run, config = tmp_path / "values", config_of("values")
    for i, (stage, (target, call)) in enumerate(MIDDLES.items()):
        with pytest.MonkeyPatch.context() as patch:
            break_at(patch, target, call, KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                again(config, run)
        assert list(Run.open(run).manifest["stages"]) == list(MIDDLES)[:i], stage
        assert foreign(Run.open(run), stage) == [], stage
    assert again(config, run) == ["report"]
    assert Run.open(run).verify() == []
    assert contents(Run.open(run)) == contents(made("values"))


class TestInterruptedFineTuning:
    MORE = ("finetune.epochs=3",)

    def interrupt(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            break_at(patch, "workbench.backbones.fitting._Loop.compute_loss", 8, KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                again(config_of("values"), run, *self.MORE)
        assert list((run / "tuned" / "training").glob("checkpoint-*"))

    def finetune(self, run: Path, *overrides: str) -> dict[str, bytes]:
        """The files of fine-tuning, brought up to date."""
        pipeline.run_stage(run, "finetune", overrides, device="cpu", progress=Progress(quiet=True))
        assert not (run / "tuned" / "training").exists() and not (run / "tuned" / ".resumable").exists()
        found = contents(Run.open(run))
        return {n: c for n, c in found.items() if n.startswith("tuned/checkpoint") or n == "tuned/history.jsonl"}

    def test_it_goes_on_and_ends_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.interrupt(tmp_path / "a", monkeypatch)
        resumed = self.finetune(tmp_path / "a")
        copy = copy_of("values", tmp_path)
        assert resumed == self.finetune(copy.path, *self.MORE)

    def test_it_does_not_go_on_from_another_config(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.interrupt(tmp_path / "a", monkeypatch)
        change = ("finetune.learning_rate=0.05", *self.MORE)
        changed = self.finetune(tmp_path / "a", *change)
        copy = copy_of("values", tmp_path)
        assert changed == self.finetune(copy.path, *change)


class TestChanges:
    @pytest.mark.parametrize(
        ("override", "redone"),
        [
            ("evaluate.confidence=0.9", ["evaluate", "slices", "compare", "variants", "flips", "shift"]),
            ("compare.margin=0.05", ["compare", "flips", "shift"]),
            ("compare.flips=1", ["compare", "flips", "shift"]),
            ("explain.samples=1", ["variants", "explain", "assess", "overall", "flips", "shift", "contrast"]),
            ("explain.change=7", ["contrast"]),
            ("assess.seeds=2", ["assess"]),
            ("predict.shard_size=7", list(STAGES[3:])),
            ("export.dtypes=['fp32','int8']", ["variants"]),
            ("export.latency_seconds=1", ["variants"]),
            ("export.opset=19", list(STAGES[2:])),
            ("finetune.label_smoothing=0.1", list(STAGES[1:])),
            ("data.unit=$", list(STAGES)),
            ("seed=1", list(STAGES)),
            ("card.purpose=none", []),
            ("report.title=Another", []),
        ],
    )
    def test_only_what_depends_on_a_key_is_done_again(
        self, override: str, redone: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stage that is done again is taken to write other files: what reads one of them is done again too."""
        run = copy_of("values", tmp_path)
        done: list[str] = []
        changed: set[str] = set()

        def pretend(session: Session, stage: str, work: Any, outputs: tuple[str, ...], **_: Any) -> bool:
            key, inputs = session.key(stage), session.inputs(stage)
            if changed & set(inputs) or not session.run.fresh(stage, key, inputs):
                done.append(stage)
                changed.update(run.manifest["stages"][stage]["outputs"])
            return False

        for stage in STAGES:
            monkeypatch.setattr(f"workbench.stages.{stage}.do_stage", pretend)
        again(config_of("values"), run.path, override)
        assert done == redone

    def test_a_redone_export_undoes_what_was_made_from_the_old_one(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        config = config_of("values")
        assert again(config, run.path) == ["report"]  # nothing has changed
        redo_export(run)
        assert [p for p in run.verify() if p.startswith("predict")] == ["predict was made from another onnx/model.onnx"]
        # The answers are the same, so what reads only them stands.
        later = [s for s in STAGES[STAGES.index("predict") :] if s not in ("evaluate", "slices")]
        assert again(config, run.path) == [*later, "report"]
        assert run.verify() == []
        assert again(config, run.path) == ["report"]

    def test_a_run_without_embeddings_is_predicted_again(self, tmp_path: Path) -> None:
        """Runs of earlier versions keep none: the manifest is whole, and yet `predict` has work to do."""
        run = copy_of("values", tmp_path)
        manifest = run.manifest
        (run.path / EMBEDDINGS).unlink()
        manifest["files"].pop(EMBEDDINGS)
        manifest["stages"]["predict"]["outputs"].remove(EMBEDDINGS)
        run.write_json("manifest.json", manifest)
        with pytest.raises(ArtefactError, match="earlier versions keep no embeddings") as caught:
            Familiar(run)
        assert f"workbench predict {run.path}" in str(caught.value.hint)
        said = Said()
        pipeline.run_stage(run.path, "predict", device="cpu", progress=said)
        assert any("an earlier version made this run without tuned/embeddings" in line for line in said.lines)
        assert run.has(EMBEDDINGS) and Familiar(run).rows.size

    def test_shards_change_no_prediction(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        before = contents(run)["onnx/predictions.parquet"]
        pipeline.run_stage(run.path, "predict", ("predict.shard_size=7",), device="cpu", progress=Progress(quiet=True))
        assert contents(run)["onnx/predictions.parquet"] == before
        assert not list(run.path.rglob(".shards"))

    def test_a_damaged_artefact_is_made_again(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        before = contents(run)
        for name in ("onnx/model.onnx", "quality.json"):
            path = run.path / name
            path.write_bytes(path.read_bytes()[:-1])
        (run.path / "base" / "metrics.json").unlink()
        assert again(config_of("values"), run.path) == ["export", "evaluate", "assess", "report"]
        assert contents(run) == before

    def test_data_that_changed_is_refused_and_data_that_is_asked_for_is_not(self, tmp_path: Path) -> None:
        config = write_data("values", tmp_path)
        shutil.copytree(made("values").path, tmp_path / "out" / "values")
        run = tmp_path / "out" / "values"
        table = tmp_path / "table.csv"
        # the copied run was prepared from an equal table elsewhere: its place is part of the config
        pipeline.run_stage(run, "finetune", (f"data.source={str(table)!r}",), device="cpu", progress=Said())
        kept = table.read_text(encoding="utf-8")
        table.write_text(kept + "0.5,0.5,red,yes,100\n", encoding="utf-8")
        with pytest.raises(DataError, match="changed since this run was prepared") as caught:
            again(config, run)
        assert str(table) in caught.value.message and caught.value.exit_code == 3
        table.write_text(kept, encoding="utf-8")
        pipeline.run_stage(run, "finetune", device="cpu", progress=(said := Said()))
        assert said.done == []
        pipeline.run_stage(run, "prepare", ("data.limit=20",), device="cpu", progress=(said := Said()))
        assert said.done == ["prepare"]


class TestBefore:
    """What is refused before any work is done."""

    def config(self, tmp_path: Path) -> Path:
        path = tmp_path / "c.toml"
        path.write_text('task = "tabular-regression"\n[data]\nsource = "fixture:diabetes"\n', encoding="utf-8")
        return path

    @pytest.mark.parametrize(
        ("override", "says"),
        [
            ("task=tabular-regresion", "did you mean 'tabular-regression'?"),
            ("explain.methods=['shap','lim']", "did you mean 'lime'?"),
            ("explain.filler=backgroud", "did you mean 'background'?"),
        ],
    )
    def test_names_that_nobody_knows(self, tmp_path: Path, override: str, says: str) -> None:
        with pytest.raises(UnknownName) as caught:
            pipeline.run_config(self.config(tmp_path), (override, f"out={str(tmp_path / 'out')!r}"))
        assert caught.value.hint == says or override.startswith("explain.filler")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", ["../up", "a/b", "..", "."])
    def test_names_that_are_no_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigError, match="is not a folder's name"):
            pipeline.run_config(self.config(tmp_path), (f"name={name!r}", f"out={str(tmp_path / 'out')!r}"))

    def test_a_newer_or_damaged_manifest_is_left_as_it_is(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        for content in (json.dumps({"schema": 99}), "{"):
            (run.path / "manifest.json").write_text(content)
            before = (run.path / "config.toml").read_bytes()
            with pytest.raises(ArtefactError):
                again(config_of("values"), run.path, "seed=9")
            assert (run.path / "config.toml").read_bytes() == before
            assert (run.path / "manifest.json").read_text() == content

    def test_cuda_where_there_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workbench.backbones.devices.cuda_devices", lambda: 0)
        with pytest.raises(StageError, match="no CUDA device"):
            pipeline.run_config(self.config(tmp_path), (f"out={str(tmp_path / 'out')!r}",), device="cuda")


def test_a_config_in_python_takes_overrides_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "advance", lambda session, until: None)
    monkeypatch.setattr(pipeline, "build_report", lambda run, progress: run.path)
    config = read_config(config_of("values"))
    run = workbench.run_config(config, (f"out={str(tmp_path)!r}", "name=mine", "seed=3"), progress=Progress(quiet=True))
    assert run.path == tmp_path / "mine" and run.manifest["seed"] == 3


def test_evaluate_brings_the_comparison_up_to_date(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    pipeline.run_stage(run.path, "evaluate", ("evaluate.confidence=0.5",), device="cpu", progress=(said := Said()))
    assert said.done == ["evaluate", "slices", "compare"]


def test_a_report_can_be_made_again_from_the_files(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    page = (run.path / "report.html").read_bytes()
    (run.path / "report.html").unlink()
    assert build_report(run).read_bytes() == page


def test_the_commit_is_that_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkout = Path(pipeline.__file__).resolve().parent.parent
    found = pipeline._git()
    assert (found is None) == (not (checkout / ".git").exists() or shutil.which("git") is None)
    monkeypatch.setattr(pipeline, "__file__", str(tmp_path / "workbench" / "pipeline.py"))
    assert pipeline._git() is None


def test_rows_of_a_group_are_drawn_together(tmp_path: Path) -> None:
    """The group reaches checks, splits, intervals and the comparison."""
    config = write_data("classes", tmp_path)
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
    people = ["person", *(f"p{i // 3}" if i != 4 else "" for i in range(len(lines) - 1))]
    (tmp_path / "table.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, people, strict=True)) + "\n")
    out = (f"out={str(tmp_path / 'out')!r}", "data.group=person", "explain.samples=0", *TINY[:1], *TINY[3:])
    run = pipeline.run_config(config, out, device="cpu", progress=Progress(quiet=True))
    checks = {c["check"]: c for c in run.read_json("data/checks.json")}
    assert checks["group_leak"]["level"] == "ok"
    measures = run.read_json("onnx/metrics.json")
    assert any("clusters" in m["signature"] for m in measures)
    before, after = read_predictions(run, "base"), read_predictions(run, "onnx")
    people = [e.meta["person"] for e in Session.open(run.path).dataset.examples]
    units = np.array([i if p == "missing" else p for i, p in zip(before.ids, people, strict=True)])
    found = run.read_json("comparison.json")["measures"]
    assert found == finite(compare(before, after, resamples=100, clusters=units)["measures"])
    assert found != finite(compare(before, after, resamples=100)["measures"])


@pytest.mark.parametrize("override", ["explain.methods=['integrated-gradients']", "explain.samples=0"])
def test_a_run_without_black_box_methods_or_without_cases_is_whole(tmp_path: Path, override: str) -> None:
    run = copy_of("values", tmp_path)
    redone = ["variants", "explain", "assess", "overall", "flips", "shift", "contrast", "report"]
    assert again(config_of("values"), run.path, override) == redone
    assert len(run.read_json("cases.json")["cases"]) == (0 if "samples" in override else 2)
    assert run.verify() == [] and "could not be built" not in (run.path / "report.html").read_text(encoding="utf-8")
