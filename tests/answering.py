"""Small foreign files with an output of labels, and what a file may say of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from workbench.backbones.signature import Port, Signature


def classifier(path: Path, classes: list[str], columns: bool = True, turned: bool = False) -> Path:
    """softmax(X W) in one output a class, or in one output of all, beside the label; `turned` labels are the next."""
    k = len(classes)
    weight = np.random.default_rng(1).normal(size=(3, k)).astype(np.float32)
    names = np.array(classes[1:] + classes[:1] if turned else classes, dtype=object)
    nodes = [
        helper.make_node("MatMul", ["X", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("ArgMax", ["p"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["names", "best"], ["output_label"]),
    ]
    outputs = [helper.make_tensor_value_info("output_label", TensorProto.STRING, ["n"])]
    tensors = {"w": weight, "names": names}
    if columns:
        for i, name in enumerate(classes):
            tensors[f"at{i}"] = np.array(i)
            nodes.append(helper.make_node("Gather", ["p", f"at{i}"], [f"s{name}"], axis=1))
            outputs.append(helper.make_tensor_value_info(f"s{name}", TensorProto.FLOAT, ["n"]))
    else:
        nodes.append(helper.make_node("Identity", ["p"], ["probabilities"]))
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", k]))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 3])], outputs,
        [numpy_helper.from_array(v, n) for n, v in tensors.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def told(outputs: tuple[Port, ...], classes: tuple[Any, ...] = (), last: str = "", origin: str = "") -> Signature:
    return Signature((), outputs, classes, origin, {}, {}, {p.name: last for p in outputs}, {})
