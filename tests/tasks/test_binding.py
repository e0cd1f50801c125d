"""A question bound to an example: its ends are the plain example and the filler, its gradients complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from workbench import registry
from workbench.asking import Asker
from workbench.backbones import tabular
from workbench.backbones.devices import cuda_devices
from workbench.backbones.export import export_onnx
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.onnx_gpu import BoundBackbone
from workbench.explainers import run_explainer
from workbench.explainers.paths import INTEGRATED_GRADIENTS
from workbench.modalities import table
from workbench.probe import Probe
from workbench.tasks.binding import bind
from workbench.types import Example, Question

CASES = ("bert mask", "bert delete", "bert pad", "roberta delete", "vit blur", "resnet mean", "table", "table value")


class Bound:
    """A probe with all that it was made of."""

    def __init__(self, case: str) -> None:
        name, _, self.filler = case.partition(" ")
        self.question = Question("logit", "Why?", target=1, unit="logit")
        self.background: dict[str, np.ndarray] | None = None
        options: dict[str, Any] = {}
        if name == "table":
            kind = "value" if self.filler else "class"
            self.filler = "background"
            task = "tabular-regression" if kind == "value" else "tabular-classification"
            if kind == "value":
                self.question = Question("value", "Why?")
            dataset = tiny.table(60, classes=kind == "class")
            self.backbone, self.preparation = tabular.load_tabular(tiny.config(task), dataset, kind=kind)
            self.input: Any = dataset.examples[3].input  # income is missing
            rows = [e.input for e in dataset.examples[10:17]]
            self.background = table.encode(rows, self.preparation).batch(np.arange(7))
        else:
            task = "image-classification" if name in ("vit", "resnet") else "text-classification"
            self.backbone, self.preparation = tiny.load(name)
            self.input = tiny.inputs(name, 1)[0] if name in ("vit", "resnet") else "the unbelievable cat sat"
            options = {"segments": 9}
        self.task = registry.load("tasks", task)
        self.modality = self.task.modality
        self.cut = self.modality.segment(self.input, self.preparation, **options)

    def probe(self, question: Question | None = None) -> Probe:
        example = Example("e", self.input, 0, "test")
        return bind(
            self.task, self.backbone, self.preparation, example, question or self.question, self.cut,
            filler=self.filler, background=self.background,
        )  # fmt: skip

    def plain(self) -> np.ndarray:
        """Scores of the example itself, (1, K)."""
        return self.backbone.outputs(self.modality.encode([self.input], self.preparation).batch([0]))

    def scalar(self, scores: np.ndarray) -> float:
        return float(scores[0, 0 if self.question.kind == "value" else 1])


@pytest.fixture(scope="module")
def bound() -> Any:
    done: dict[str, Bound] = {}
    return lambda case: done.setdefault(case, done.get(case) or Bound(case))


@pytest.mark.parametrize("case", CASES)
def test_the_full_mask_is_the_plain_example(bound: Any, case: str) -> None:
    b = bound(case)
    (found,) = b.probe().score(np.ones((1, len(b.cut.features)), bool))
    assert found == pytest.approx(b.scalar(b.plain()), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_empty_mask_is_the_filler(bound: Any, case: str) -> None:
    b = bound(case)
    (found,) = b.probe().score(np.zeros((1, len(b.cut.features)), bool))
    if case.startswith("table"):
        expected = float(b.backbone.outputs(b.background)[:, 0 if "value" in case else 1].mean())
    elif b.task.modality_name == "text":
        tokens = len(b.cut.ids) - 2
        first, last = int(b.cut.ids[0]), int(b.cut.ids[-1])
        inside = {"mask": [b.preparation.mask_id] * tokens, "delete": [], "pad": [b.preparation.pad_id] * tokens}
        ids = np.array([[first, *inside[b.filler], last]])
        attend = np.ones_like(ids)
        if b.filler == "pad":
            attend[0, 1:-1] = 0
        batch = {"input_ids": ids, "attention_mask": attend, "token_type_ids": np.zeros_like(ids)}
        expected = b.scalar(b.backbone.outputs({k: batch[k] for k in b.backbone.inputs}))
    else:
        frame = b.modality.filling(b.cut.frame, b.preparation, b.filler)
        expected = b.scalar(b.backbone.outputs({"pixel_values": b.preparation.normalise(frame[None])}))
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert found != pytest.approx(b.scalar(b.plain()), abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_integrated_gradients_converge_to_the_difference(bound: Any, case: str) -> None:
    b = bound(case)
    probe = b.probe()
    more = {
        "bert": {"attention", "hierarchy"},
        "vit": {"attention", "hierarchy", "picture", "layer"},
        "table": set[str](),
    }
    more |= {"roberta": more["bert"], "resnet": {"hierarchy", "picture", "layer"}}
    assert probe.offers == {"score", "gradient", "module"} | more[case.partition(" ")[0]]
    found = run_explainer(INTEGRATED_GRADIENTS, probe, seed=0)
    assert found.params["converged"]
    assert found.gap is not None
    # What special tokens are worth is no word's; they are the same in both ends, so nothing is lost.
    assert found.gap <= max(1e-3, 0.01 * abs(found.score - found.base_score)) + 1e-6
    assert found.values.shape == (len(b.cut.features),)
    assert found.score == pytest.approx(b.scalar(b.plain()), rel=1e-4, abs=1e-5)
    ends = probe.score(np.stack([np.zeros(len(b.cut.features), bool)]))
    if b.filler not in ("delete", "pad"):  # those two shorten the text, which gradients cannot
        assert found.base_score == pytest.approx(ends[0], rel=1e-4, abs=1e-4)
    said = "the padding token in the word's place" if b.filler in ("delete", "pad") else b.modality.FILLERS[b.filler]
    assert found.params["filler"] == said
    if b.task.modality_name == "image":
        assert found.dense is not None
        assert found.dense.shape == b.cut.label.shape
        assert found.dense.sum() == pytest.approx(found.values.sum(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("case", ["bert mask", "vit blur"])
def test_a_contrast_is_the_difference_of_two_logits(bound: Any, case: str) -> None:
    b = bound(case)
    masks = np.random.default_rng(0).random((7, len(b.cut.features))) < 0.5
    contrast = b.probe(Question("contrast", "Why not?", target=2, against=0)).score(masks)
    two, zero = (b.probe(Question("logit", "Why?", target=k)).score(masks) for k in (2, 0))
    np.testing.assert_allclose(contrast, two - zero, atol=1e-5)


def test_many_masks_are_scored_as_one_by_one(bound: Any) -> None:
    for case in ("bert delete", "table"):
        b = bound(case)
        masks = np.random.default_rng(0).random((150, len(b.cut.features))) < 0.5
        probe = b.probe()
        np.testing.assert_allclose(
            probe.score(masks), np.concatenate([probe.score(m[None]) for m in masks]), rtol=1e-4, atol=1e-4
        )


def test_a_file_has_no_gradient_to_offer(bound: Any) -> None:
    class Plain:
        def __init__(self, inner: Any) -> None:
            self.outputs = inner.outputs

    b = bound("bert mask")
    example = Example("e", b.input, 0, "test")
    probe = bind(b.task, Plain(b.backbone), b.preparation, example, b.question, b.cut, filler="mask")
    assert probe.offers == {"score", "hierarchy"}
    np.testing.assert_array_equal(probe.score(np.ones((1, 4), bool)), b.probe().score(np.ones((1, 4), bool)))


def test_pixels_of_a_picture_can_be_hidden_apart(bound: Any) -> None:
    b = bound("vit blur")
    probe = b.probe()
    assert probe.picture is not None
    picture = probe.picture()
    masks = np.random.default_rng(0).random((5, len(b.cut.features))) < 0.5
    np.testing.assert_allclose(picture.answer(masks[:, b.cut.label]), probe.score(masks), atol=1e-5)
    assert picture.pool(np.ones(b.cut.label.shape)) == pytest.approx(np.bincount(b.cut.label.ravel()))


def test_long_texts_are_asked_in_small_batches_unless_a_gpu_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Bound("bert mask")
    assert b.probe().rows == 128
    b.input = "the unbelievable cat sat " * 10
    b.cut = b.modality.segment(b.input, b.preparation)
    tokens = b.probe().hide(np.ones((1, len(b.cut.features)), dtype=bool))["input_ids"].shape[1]
    assert tokens > 20
    assert b.probe().rows == 1024 // tokens < 128
    monkeypatch.setattr(b.backbone, "device", "cuda", raising=False)
    assert b.probe().rows == 128


def test_rows_of_a_table_count_by_their_weights(bound: Any) -> None:
    b = bound("table")
    weights = np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    example, nothing = Example("e", b.input, 0, "test"), np.zeros((1, len(b.cut.features)), bool)
    probe = bind(
        b.task, b.backbone, b.preparation, example, b.question, b.cut,
        filler="kmeans", background=b.background, weights=weights,
    )  # fmt: skip
    truth = float(b.backbone.outputs(b.background)[:, 1] @ weights)
    assert probe.score(nothing)[0] == pytest.approx(truth, rel=1e-5)
    assert run_explainer(INTEGRATED_GRADIENTS, probe, seed=0).base_score == pytest.approx(truth, rel=1e-4)


def on_device(bound: Any, folder: Path, device: str) -> tuple[Probe, Probe, Any]:
    """The question of a picture to its exported file: as arrays, and with the masks composed on a device."""
    case = bound("resnet")
    path = folder / "model.onnx"
    example = case.modality.encode([case.input], case.preparation).batch([0, 0, 0, 0, 0])
    path.write_bytes(export_onnx(case.backbone, example, {}, 20))
    plain, there = OnnxBackbone(path, device="cpu"), BoundBackbone(path, device=device)
    probes = []
    for backbone in (plain, there):
        probes.append(
            bind(
                case.task, backbone, case.preparation, Example("e", case.input, 0, "test"), case.question, case.cut,
                filler="blur",
            )
        )  # fmt: skip
    return probes[0], probes[1], there


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not cuda_devices(), reason="no GPU")])],
)
def test_masks_alone_go_to_the_device(bound: Any, tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model is asked is composed where it computes, in batches that are joined there too."""
    plain, there, backbone = on_device(bound, tmp_path, device)
    asked = []
    run = backbone.outputs_of
    monkeypatch.setattr(backbone, "outputs_of", lambda tensors: asked.append(tensors["pixel_values"]) or run(tensors))
    masks = np.random.default_rng(1).uniform(size=(70, len(plain.features))) > 0.4
    asker = Asker()
    parts = asker.ask([(there, masks[:3]), (there, masks[3:])])  # the first waits for the second
    expected = Asker().ask([(plain, masks)])[0]
    tolerance = 1e-5 if device == "cpu" else 1e-3
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=tolerance, atol=tolerance)
    assert asker.evaluations == 70 == sum(map(len, asked)) and {t.device.type for t in asked} == {device}
    by_hand = plain.hide(masks[:3])["pixel_values"]
    np.testing.assert_allclose(asked[0][:3].cpu().numpy(), by_hand, rtol=1e-6)
