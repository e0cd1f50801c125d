"""The ONNX file of an ensemble: equal to the trees, and to skl2onnx's file where that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import forests
import numpy as np
import pytest
from test_estimators import EVERY, again

from workbench.backbones.estimator_export import export_estimator
from workbench.backbones.estimators import EstimatorBackbone
from workbench.backbones.onnx import OnnxBackbone
from workbench.errors import ArtefactError
from workbench.trees import round_down


def exported(backbone: EstimatorBackbone, folder: Path, **metadata: Any) -> OnnxBackbone:
    path = folder / "model.onnx"
    path.write_bytes(export_estimator(backbone, metadata, 20))
    return OnnxBackbone(path, device="cpu")


@pytest.mark.parametrize("name, target", EVERY)
def test_the_file_answers_as_the_trees(name: str, target: str, tmp_path: Path) -> None:
    backbone = forests.fitted(name, target).backbone
    batch = forests.rows(400, 9)[0]  # with missing numbers and unseen categories
    file = exported(backbone, tmp_path, labels=["a"])
    expected, found = backbone.outputs(batch), file.outputs(batch)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.max(np.abs(found - expected) / (1 + np.abs(expected))) < 1e-6
    assert np.allclose(file.outputs({k: v[:1] for k, v in batch.items()}), found[:1])
    assert file.metadata["labels"] == ["a"]


def test_the_same_trees_give_the_same_bytes() -> None:
    backbone = forests.fitted("random-forest", "class").backbone
    assert export_estimator(backbone, {"a": 1}, 20) == export_estimator(backbone, {"a": 1}, 20)


def test_rows_between_a_threshold_and_its_rounding_go_the_right_way(tmp_path: Path) -> None:
    """The trap: a threshold rounded to the nearest float32 sends float32 rows beside it the other way."""
    backbone = forests.fitted("extra-trees", "value").backbone
    trees = backbone.trees
    node = int(trees.roots[0])
    feature, at = int(trees.feature[node]), np.float32(trees.threshold[node])
    numbers = len(backbone.encoding.fill) - len(backbone.encoding.offsets)
    batch = {k: v[:3].copy() for k, v in forests.rows(3, 1)[0].items()}
    if feature < numbers:
        batch["numeric"][:, feature] = [np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf))]
    assert np.allclose(exported(backbone, tmp_path).outputs(batch), backbone.outputs(batch), rtol=1e-6)
    assert (round_down(trees.threshold) == trees.threshold).all()


@pytest.mark.parametrize("name", ["random-forest", "extra-trees", "gradient-boosting"])
@pytest.mark.parametrize("target", ["class", "value"])
def test_skl2onnx_writes_the_same_model(name: str, target: str, tmp_path: Path) -> None:
    """An independent converter, asked where it is right: without missing values."""
    skl2onnx = pytest.importorskip("skl2onnx")
    import onnxruntime
    from skl2onnx.common.data_types import FloatTensorType

    found = forests.fitted(name, target)
    if found.kept < found.grown:
        pytest.skip("fewer trees were kept than scikit-learn has")
    estimator = again(name, target)
    options = {type(estimator): {"zipmap": False}} if target == "class" else None
    converted = skl2onnx.convert_sklearn(
        estimator,
        initial_types=[("X", FloatTensorType([None, 5]))],
        target_opset={"": 20, "ai.onnx.ml": 3},
        options=options,
    )
    batch, _ = forests.rows(200, 4)
    batch = {"numeric": np.nan_to_num(batch["numeric"]), "categorical": np.maximum(batch["categorical"], 1)}
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"X": found.backbone.encoding.rows(batch)})[-1]
    scores = exported(found.backbone, tmp_path).outputs(batch).astype(float)
    if target == "value":
        assert np.allclose(scores, theirs, rtol=1e-5)
        return
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert np.abs(p / p.sum(axis=1, keepdims=True) - theirs).max() < 1e-5


def test_a_file_without_metadata_is_named(tmp_path: Path) -> None:
    import onnx

    backbone = forests.fitted("decision-tree", "value").backbone
    model = onnx.load_from_string(export_estimator(backbone, {}, 20))
    del model.metadata_props[:]
    path = tmp_path / "bare.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtefactError, match="no workbench metadata"):
        _ = OnnxBackbone(path, device="cpu").metadata
