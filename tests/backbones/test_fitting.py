"""The training loop: what it trains, how it resumes, what it writes, where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch.nn.functional import cross_entropy

from workbench.backbones import fitting, own
from workbench.backbones.arguments import default_learning_rate
from workbench.backbones.fitting import Samples, fit
from workbench.config import Backbone, Finetune
from workbench.engines.progress import Progress
from workbench.errors import ConfigError, StageError

QUICK = {"epochs": 4.0, "batch_size": 16, "learning_rate": 3e-3, "warmup": 0.0, "patience": 0, "weight_decay": 0.01}


def sides(name: str, n: int = 48) -> tuple[Any, Samples, Samples]:
    """A tiny backbone with a learnable task: bad if a text says `bad`, by brightness for pictures."""
    if name == "own":
        from workbench.backbones.hf import image_preparation

        torch.manual_seed(0)
        backbone = own.load_own(Backbone(factory=f"{tiny.factory()}:net"), tiny.LABELS)
        preparation: Any = image_preparation({}, Backbone(image_size=tiny.SIDE))
    else:
        backbone, preparation = tiny.load(name)
    found = []
    for seed, rows in ((1, n), (2, 32)):
        rng = np.random.default_rng(seed)
        targets = rng.integers(0, 3, rows)
        if tiny.modality(name).__name__.endswith("text"):
            inputs: list[Any] = [
                f"{t} {('bad', 'film', 'good')[k]}" for t, k in zip(tiny.texts(rows, seed), targets, strict=True)
            ]
        else:
            inputs = [(p // 3 + 80 * k).astype(np.uint8) for p, k in
                      zip(tiny.pictures(rows, seed=seed), targets, strict=True)]  # fmt: skip
        found.append(Samples(tiny.modality(name).encode(inputs, preparation), targets))
    return backbone, found[0], found[1]


def run(name: str, folder: Path, *, callback: Any = None, seed: int = 5, **keys: Any) -> tuple[Any, fitting.Fitted]:
    backbone, train, validation = sides(name)
    settings = Finetune(**{**QUICK, **keys})
    fitted = fit(
        backbone, train, validation, settings, folder=folder, kind="class", seed=seed, progress=Progress(quiet=True)
    )
    return backbone, fitted


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def state(backbone: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in backbone.module.state_dict().items()}


def loss(backbone: Any, samples: Samples) -> float:
    scores = backbone.outputs(samples.encoded.batch(np.arange(len(samples.encoded))))
    return float(cross_entropy(torch.from_numpy(scores), torch.from_numpy(samples.targets)))


def interrupt(monkeypatch: pytest.MonkeyPatch, at_step: int) -> Callable[[], None]:
    """The loop is interrupted at a step, until the returned function is called."""
    original = fitting.History.on_step_end

    def stop(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == at_step:
            raise KeyboardInterrupt
        original(self, args, state, control, **rest)

    monkeypatch.setattr(fitting.History, "on_step_end", stop)
    return lambda: monkeypatch.setattr(fitting.History, "on_step_end", original)


@pytest.mark.parametrize("name", ["bert", "distilbert", "vit", "resnet", "own"])
def test_fitting_lowers_the_loss_and_keeps_the_best_epoch(tmp_path: Path, name: str) -> None:
    before = loss(*sides(name)[::2])
    backbone, fitted = run(name, tmp_path, learning_rate=1e-2)
    after = loss(backbone, sides(name)[2])
    assert after < 0.9 * before
    curve = [(h["validation_loss"], h["step"]) for h in history(tmp_path) if "validation_loss" in h]
    assert len(curve) == 4
    best = min(curve)
    assert fitted.best_step == best[1]
    # The weights that are kept are those of the best epoch and of no other.
    assert after == pytest.approx(best[0], rel=2e-4)
    assert (fitted.steps, fitted.learning_rate) == (12, 1e-2)
    assert not (tmp_path / "training").exists()
    assert list((tmp_path / "tensorboard").glob("events*"))


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("bert", "full"),
        ("vit", "lora"),
        ("own", "head"),
        *(pytest.param(n, s, marks=pytest.mark.slow) for n, s in (("vit", "full"), ("bert", "lora"), ("own", "full"))),
    ],
)
def test_an_interrupted_training_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, strategy: str
) -> None:
    # Too large a rate, so that the best epoch is not the last one and both have to survive.
    keys = {"strategy": strategy, "learning_rate": 3e-2 if strategy == "full" else 1e-2}
    whole, undisturbed = run(name, tmp_path / "whole", **keys)
    go_on = interrupt(monkeypatch, at_step=8)  # in the third of four epochs of three steps
    with pytest.raises(KeyboardInterrupt):
        run(name, tmp_path / "cut", **keys)
    go_on()
    assert {p.name for p in (tmp_path / "cut" / "training").glob("checkpoint-*")} == {"checkpoint-3", "checkpoint-6"}
    resumed, again = run(name, tmp_path / "cut", **keys)
    assert again == undisturbed
    one, two = state(whole), state(resumed)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert history(tmp_path / "whole") == history(tmp_path / "cut")


def test_augmentation_goes_on_with_the_same_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.stages.finetune import flip_and_shift

    def augmented(folder: Path) -> dict[str, torch.Tensor]:
        backbone, train, validation = sides("own")
        fit(backbone, train, validation, Finetune(**QUICK), folder=folder, kind="class", seed=5,
            progress=Progress(quiet=True), augment=flip_and_shift(5))  # fmt: skip
        return state(backbone)

    whole = augmented(tmp_path / "whole")
    go_on = interrupt(monkeypatch, at_step=8)
    with pytest.raises(KeyboardInterrupt):
        augmented(tmp_path / "cut")
    go_on()
    resumed = augmented(tmp_path / "cut")
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    plain = state(run("own", tmp_path / "plain")[0])
    assert not all(torch.equal(whole[k], plain[k]) for k in whole)


def test_checkpoints_of_other_settings_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = interrupt(monkeypatch, at_step=8)
    with pytest.raises(KeyboardInterrupt):
        run("bert", tmp_path / "changed", learning_rate=1e-2)
    go_on()
    changed, _ = run("bert", tmp_path / "changed", learning_rate=1e-3)
    fresh, _ = run("bert", tmp_path / "fresh", learning_rate=1e-3)
    assert all(torch.equal(v, state(fresh)[k]) for k, v in state(changed).items())
    assert history(tmp_path / "changed") == history(tmp_path / "fresh")


def test_half_written_checkpoints_and_lines_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = run("bert", tmp_path / "whole")
    go_on = interrupt(monkeypatch, at_step=8)
    with pytest.raises(KeyboardInterrupt):
        run("bert", tmp_path / "cut")
    go_on()
    (tmp_path / "cut" / "training" / "checkpoint-6" / "trainer_state.json").unlink()
    with (tmp_path / "cut" / "history.jsonl").open("a") as file:
        file.write('{"step": 7, "ep')
    resumed, _ = run("bert", tmp_path / "cut")
    assert all(torch.equal(v, state(whole)[k]) for k, v in state(resumed).items())
    assert history(tmp_path / "whole") == history(tmp_path / "cut")


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path) -> None:
    one, two, other = (state(run("bert", tmp_path / str(i), seed=s)[0]) for i, s in enumerate((5, 5, 6)))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_history_has_a_line_for_every_logged_step(tmp_path: Path) -> None:
    run("bert", tmp_path)
    lines = history(tmp_path)
    training = [h for h in lines if "loss" in h]
    judged = [h for h in lines if "validation_loss" in h]
    assert [h["step"] for h in judged] == [3, 6, 9, 12]
    assert [h["epoch"] for h in judged] == [1, 2, 3, 4]
    assert [h["step"] for h in training] == [3, 5, 6, 9, 10, 12]
    assert all(h["score_name"] == "accuracy" and 0 <= h["validation_score"] <= 1 for h in judged)
    assert all(h["learning_rate"] >= 0 for h in training)


def test_patience_stops_and_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"learning_rate": 1.0, "epochs": 12.0, "patience": 2, "optimizer": "sgd", "schedule": "constant"}
    whole, fitted = run("own", tmp_path / "whole", **keys)
    judged = [h["validation_loss"] for h in history(tmp_path / "whole") if "validation_loss" in h]
    assert len(judged) == np.argmin(judged) + 3 < 12
    assert fitted.stopped == f"after {len(judged)} of 12 epochs: 2 without a better validation loss"
    assert fitted.best_step == 3 * (int(np.argmin(judged)) + 1)
    go_on = interrupt(monkeypatch, at_step=3 * (len(judged) - 1) + 1)  # with one epoch of patience used up
    with pytest.raises(KeyboardInterrupt):
        run("own", tmp_path / "cut", **keys)
    go_on()
    resumed, again = run("own", tmp_path / "cut", **keys)
    assert again == fitted
    assert all(torch.equal(v, state(whole)[k]) for k, v in state(resumed).items())


def test_part_of_an_epoch_is_judged_too(tmp_path: Path) -> None:
    _, fitted = run("bert", tmp_path, epochs=1.5)
    assert fitted.steps == 5
    assert [h["step"] for h in history(tmp_path) if "validation_loss" in h] == [3, 5]
    assert fitted.stopped == "after all 1.5 epochs"


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_the_loss_is_its_formula(smoothing: float, weights: str) -> None:
    """Against the definition, written out, and scikit-learn's weights."""
    from sklearn.utils.class_weight import compute_class_weight

    rng = np.random.default_rng(0)
    targets, logits = rng.choice(3, 50, p=[0.7, 0.2, 0.1]), rng.normal(size=(50, 3)).astype(np.float32)
    found = fitting._loss(Finetune(label_smoothing=smoothing, class_weights=weights), "class", targets)
    w = np.ones(3) if weights == "none" else compute_class_weight("balanced", classes=np.arange(3), y=targets)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    own_class = -(w[targets] * log_p[np.arange(50), targets]).sum()
    every = -(w * log_p).sum() / 3
    expected = ((1 - smoothing) * own_class + smoothing * every) / w[targets].sum()
    assert float(found(torch.from_numpy(logits), torch.from_numpy(targets))) == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_bear_classes_that_training_lacks() -> None:
    loss = fitting._loss(Finetune(class_weights="balanced"), "class", np.array([1, 1, 1, 3]))
    logits = torch.zeros(3, 6)
    assert float(loss(logits, torch.tensor([1, 3, 5]))) == pytest.approx(float(np.log(6)))


def test_regression_is_squared_error_on_the_standardised_target() -> None:
    targets = np.array([10.0, 20.0, 60.0])
    loss = fitting._loss(Finetune(), "value", targets)
    given = torch.tensor([[12.0], [20.0], [50.0]])
    expected = (4 + 0 + 100) / 3 / targets.std() ** 2
    assert float(loss(given, torch.from_numpy(targets))) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["class", "value"])
def test_tables_are_fitted(tmp_path: Path, kind: str) -> None:
    from workbench.backbones import tabular
    from workbench.modalities import table

    dataset = tiny.table(200, classes=kind == "class")
    task = "tabular-classification" if kind == "class" else "tabular-regression"
    backbone, preparation = tabular.load_tabular(tiny.config(task), dataset, kind=kind)
    train, validation = (
        Samples(table.encode([e.input for e in part], preparation), np.array([e.target for e in part]))
        for part in (dataset.split("train"), dataset.split("validation"))
    )
    settings = Finetune(**{**QUICK, "epochs": 12.0, "learning_rate": 5e-3})
    fit(backbone, train, validation, settings, folder=tmp_path, kind=kind, seed=0, progress=Progress(quiet=True))
    scores = backbone.outputs(validation.encoded.batch(np.arange(len(validation.encoded))))
    judged = [h for h in history(tmp_path) if "validation_loss" in h]
    best = min(judged, key=lambda h: h["validation_loss"])
    if kind == "class":
        accuracy = float((scores.argmax(1) == validation.targets).mean())
        assert accuracy == pytest.approx(best["validation_score"])
        assert accuracy > 0.8
    else:
        error = float(np.sqrt(np.mean((scores[:, 0] - validation.targets) ** 2)))
        assert best["score_name"] == "rmse"
        assert error == pytest.approx(best["validation_score"], rel=1e-4)
        assert error < 0.6 * validation.targets.std()


def test_a_loss_that_is_not_finite_is_a_failed_stage(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"the loss is (nan|inf)") as caught:
        run("own", tmp_path, learning_rate=1e30, optimizer="sgd", max_grad_norm=1e30)
    assert caught.value.exit_code == 6
    assert "learning_rate" in caught.value.hint


@pytest.mark.parametrize("bad", [{"optimizer": "adamm"}, {"schedule": "slow"}])
def test_an_unknown_optimiser_or_schedule_is_a_wrong_config(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"\[finetune\]"):
        run("own", tmp_path, **bad)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("vit", tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("parameters", "strategy", "rate"),
    [(1e5, "full", 1e-3), (5e6, "full", 3e-4), (2e7, "full", 1e-4), (1e8, "full", 3e-5), (1e8, "head", 1e-3),
     (1e8, "lora", 1.5e-4), (1e8, "last-2", 3e-5)],
)  # fmt: skip
def test_the_rate_follows_the_size(parameters: float, strategy: str, rate: float) -> None:
    assert default_learning_rate(int(parameters), strategy) == pytest.approx(rate)


@pytest.mark.parametrize("strategy", ["head", "lora"])
def test_what_is_frozen_stays_with_its_statistics(tmp_path: Path, strategy: str) -> None:
    """Running means of frozen batch normalisations are parameters in all but name."""
    name = "own" if strategy == "head" else "bert"
    backbone, _, _ = sides(name)
    before, head = state(backbone), backbone.head
    after = state(run(name, tmp_path, strategy=strategy, learning_rate=1e-2)[0])
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    if strategy == "head":
        assert changed == {f"{head}.weight", f"{head}.bias"}
    else:
        linear = {f"{n}.weight" for n, m in backbone.module.named_modules() if isinstance(m, torch.nn.Linear)}
        assert changed == linear | {f"{head}.bias"}
