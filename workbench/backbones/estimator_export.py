"""Writing a tree ensemble as one ONNX file, from the arrays that everything else reads.

skl2onnx 1.20 is not used: with onnx 1.23 it cannot write scikit-learn's histogram boosting, and
its forests send missing values the wrong way (docs/decisions.md). Where it is right, the tests
compare this file with its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from workbench.backbones.estimators import CLIP, EstimatorBackbone
from workbench.backbones.onnx import METADATA, METADATA_SCHEMA
from workbench.errors import ExportError

_ML_OPSET = 3  # of ai.onnx.ml: TreeEnsembleRegressor
_IR = 10


def export_estimator(backbone: EstimatorBackbone, metadata: Mapping[str, Any], opset: int) -> bytes:
    """The ensemble as the bytes of one ONNX file: the same inputs as every model of tables, `logits` (n, K).

    Raises:
        ExportError: the file is over 2 GB.
    """
    graph = _Graph(backbone)
    rows = graph.encoded()
    raw = graph.trees(rows)
    graph.link(raw)
    width = backbone.link.offset.shape[0]
    inputs = [
        helper.make_tensor_value_info(name, kind, ["batch", columns]) for name, kind, columns in graph.input_shapes()
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", width])]
    made = helper.make_graph(graph.nodes, "trees", inputs, outputs, graph.initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(made, opset_imports=opsets, producer_name="workbench", ir_version=_IR)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps({"schema": METADATA_SCHEMA, **metadata}, ensure_ascii=False)
    if model.ByteSize() >= 2**31:
        raise ExportError("the trees are over 2 GB, which one ONNX file cannot hold", hint="grow fewer or smaller ones")
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self, backbone: EstimatorBackbone) -> None:
        self.backbone = backbone
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def input_shapes(self) -> list[tuple[str, int, int]]:
        """Name, type and columns of each input."""
        categorical = len(self.backbone.encoding.offsets)
        numeric = len(self.backbone.encoding.fill) - categorical
        every = [("numeric", TensorProto.FLOAT, numeric), ("categorical", TensorProto.INT64, categorical)]
        return [entry for entry in every if entry[2]]

    def add(self, op: str, *inputs: str, out: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [out], domain=domain, **attributes))
        return out

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def encoded(self) -> str:
        """The rows that the trees ask: numbers, places of categories, missing values filled where that was learnt."""
        encoding, parts = self.backbone.encoding, []
        for name, _, _ in self.input_shapes():
            if name == "numeric":
                parts.append(name)
                continue
            codes = self.add("Add", name, self.constant("offsets", encoding.offsets), out="codes")
            parts.append(self.add("Gather", self.constant("ranks", encoding.ranks), codes, out="places", axis=0))
        rows = self.add("Concat", *parts, out="columns", axis=1) if len(parts) > 1 else parts[0]
        if np.isnan(encoding.fill).all():
            return rows
        missing = self.add("IsNaN", rows, out="missing")
        return self.add("Where", missing, self.constant("fill", encoding.fill[None]), rows, out="filled")

    def trees(self, rows: str) -> str:
        """What the trees add up to, (n, O).

        In float64: in float32 the rounding of hundreds of trees adds up, which counts where their sum is near 0.
        """
        trees = self.backbone.trees
        sizes = [last - first for first, last in trees.bounds]
        tree = np.repeat(np.arange(len(trees)), sizes)
        start = np.repeat(trees.roots, sizes)
        node = np.arange(len(trees.left)) - start
        leaf = trees.is_leaf
        at, output = np.nonzero(trees.value[leaf])  # an output that a leaf adds nothing to need not be written
        places = np.flatnonzero(leaf)[at]
        silent = np.setdiff1d(np.unique(tree), np.unique(tree[places]))
        if len(silent):  # a tree without any weight is not valid
            extra = np.array([np.flatnonzero(leaf & (tree == t))[0] for t in silent])
            places, output = np.concatenate([places, extra]), np.concatenate([output, np.zeros(len(extra), int)])
        return self.add(
            "TreeEnsembleRegressor",
            self.add("Cast", rows, out="doubled", to=TensorProto.DOUBLE),
            out="raw",
            domain="ai.onnx.ml",
            n_targets=trees.outputs,
            aggregate_function="SUM",
            post_transform="NONE",
            base_values_as_tensor=_doubles(trees.base),
            nodes_treeids=tree.tolist(),
            nodes_nodeids=node.tolist(),
            nodes_featureids=np.where(leaf, 0, trees.feature).tolist(),
            nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
            nodes_values_as_tensor=_doubles(np.where(leaf, 0.0, trees.threshold)),
            nodes_truenodeids=np.where(leaf, 0, trees.left - start).tolist(),
            nodes_falsenodeids=np.where(leaf, 0, trees.right - start).tolist(),
            nodes_missing_value_tracks_true=trees.missing_left.astype(int).tolist(),
            target_treeids=tree[places].tolist(),
            target_nodeids=node[places].tolist(),
            target_ids=output.tolist(),
            target_weights_as_tensor=_doubles(trees.value[places, output]),
        )

    def link(self, raw: str) -> None:
        """The scores, (n, K)."""
        link = self.backbone.link
        if link.name == "linear":
            product = self.add("MatMul", raw, self.constant("matrix", link.matrix.astype(np.float32)), out="mixed")
            self.add("Add", product, self.constant("offset", link.offset.astype(np.float32)), out="logits")
            return
        ends = [self.constant(n, np.array(v, dtype=np.float32)) for n, v in (("least", CLIP), ("most", 1.0))]
        clipped = self.add("Clip", raw, *ends, out="clipped")
        if link.name == "log":
            self.add("Log", clipped, out="logits")
            return
        logs = self.add("Log", clipped, out="logs")
        k = len(link.offset)
        self.nodes.append(
            helper.make_node("Split", [logs, self.constant("halves", np.array([k, k]))], ["yes", "no"], axis=1)
        )
        self.add("Sub", "yes", "no", out="logits")


def _doubles(values: np.ndarray) -> Any:
    return numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float64), "")
