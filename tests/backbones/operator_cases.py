"""Inputs and attributes of ONNX operators, as the converter is tested with them: (operator, inputs, attributes, opset, more)."""
# ruff: noqa: E501 - cases of one operator stand on one line

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper


def floats(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return np.random.default_rng([3, *shape]).uniform(low, high, shape).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


X = floats(2, 3, 8, 9)
W = floats(4, 3, 3, 3)
POSITIVE = floats(2, 5, low=0.1, high=3.0)
# (operator, inputs, attributes, opset[, more]): each is put to both.
CASES: list[tuple[Any, ...]] = [
    *[(op, [floats(2, 5)], {}, 17) for op in
      ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "LeakyRelu", "Elu", "Selu", "HardSigmoid", "HardSwish",
       "ThresholdedRelu", "Exp", "Erf", "Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Sin", "Cos", "Tan", "Atan",
       "Sinh", "Cosh", "Identity", "Celu")],
    *[(op, [POSITIVE], {}, 17) for op in ("Log", "Sqrt", "Reciprocal")],
    *[(op, [floats(2, 5) / 3], {}, 17) for op in ("Asin", "Acos")],
    ("LeakyRelu", [floats(2, 5)], {"alpha": 0.3}, 9), ("Elu", [floats(2, 5)], {"alpha": 0.7}, 9),
    ("HardSigmoid", [floats(2, 5)], {"alpha": 0.3, "beta": 0.4}, 9), ("Selu", [floats(2, 5)], {"alpha": 1.2}, 9),
    ("Gelu", [floats(2, 5)], {}, 20), ("Gelu", [floats(2, 5)], {"approximate": "tanh"}, 20),
    ("Mish", [floats(2, 5)], {}, 18), ("PRelu", [floats(2, 5), floats(5)], {}, 16, {"constants": (1,)}),
    ("Clip", [floats(2, 5)], {"min": -0.5, "max": 0.7}, 10),
    ("Clip", [floats(2, 5), np.float32(-0.5), np.float32(0.7)], {}, 13), ("Clip", [floats(2, 5), None, np.float32(0.7)], {}, 13),
    *[(op, [floats(2, 3, 4)], at, opset) for op in ("Softmax", "LogSoftmax")
      for at, opset in (({}, 9), ({"axis": 2}, 11), ({}, 13), ({"axis": 1}, 17), ({"axis": 0}, 12))],
    *[(op, [floats(2, 1, 5), floats(3, 1) + 3], {}, 14) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Less", "Greater",
                                                                  "LessOrEqual", "GreaterOrEqual", "Equal")],
    ("Div", [whole(7, -7, 9), whole(2, 2, -4)], {}, 14), ("Mod", [whole(7, -7, 9), whole(2, 3, -4)], {}, 14),
    ("Mod", [floats(5), floats(5, low=0.5)], {"fmod": 1}, 14), ("Sum", [floats(2, 5), floats(5), floats(2, 1)], {}, 13),
    ("Mean", [floats(2, 5), floats(5)], {}, 13), ("Pow", [floats(2, 5), np.float32(2)], {}, 13),
    ("Pow", [POSITIVE, np.float32(0.5)], {}, 15), ("Pow", [POSITIVE, floats(5)], {}, 15),
    *[(op, [floats(4) > 0, floats(4, low=-1) > 0.2], {}, 16) for op in ("And", "Or", "Xor")], ("Not", [floats(4) > 0], {}, 16),
    ("IsNaN", [np.array([1, np.nan], np.float32)], {}, 13), ("IsInf", [np.array([1, np.inf], np.float32)], {}, 13),
    ("Where", [floats(2, 5) > 0, floats(2, 5), floats(5)], {}, 16), ("Cast", [floats(2, 5)], {"to": 7}, 13),
    ("Cast", [whole(0, 3)], {"to": 9}, 13), ("CastLike", [whole(0, 3), floats(1)], {}, 15),
    ("Dropout", [floats(2, 5)], {}, 10), ("Dropout", [floats(2, 5), np.float32(0.4)], {}, 13),
    ("MatMul", [floats(2, 3, 4), floats(4, 5)], {}, 13, {"constants": (1,)}), ("MatMul", [floats(4), floats(4, 5)], {}, 13),
    ("Gemm", [floats(3, 4), floats(4, 5), floats(5)], {}, 9, {"constants": (1, 2)}),
    ("Gemm", [floats(4, 3), floats(5, 4), floats(3, 5)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}, 13),
    ("Gemm", [floats(3, 4), floats(4, 5)], {}, 13), ("Einsum", [floats(2, 3), floats(3, 4)], {"equation": "ij,jk->ik"}, 13),
    ("CumSum", [floats(2, 5), np.int64(1)], {}, 14), ("CumSum", [floats(2, 5), np.int64(1)], {"reverse": 1, "exclusive": 1}, 14),
    ("Conv", [X, W, floats(4)], {"pads": [1, 1, 1, 1]}, 11, {"constants": (1, 2)}), ("Conv", [X, W], {"strides": [2, 3]}, 9),
    ("Conv", [X, W], {"pads": [0, 1, 2, 1], "dilations": [2, 1]}, 11), ("Conv", [X, W], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 11),
    ("Conv", [X, W], {"auto_pad": "SAME_LOWER", "strides": [3, 2]}, 11), ("Conv", [X, W], {"auto_pad": "VALID"}, 11),
    ("Conv", [floats(2, 4, 6, 6), floats(4, 1, 3, 3)], {"group": 4}, 11), ("Conv", [floats(2, 3, 9), floats(4, 3, 3)], {"pads": [1, 1]}, 11),
    ("Conv", [floats(1, 2, 5, 5, 5), floats(3, 2, 3, 3, 3)], {}, 11),
    ("ConvTranspose", [floats(2, 3, 4, 5), floats(3, 4, 3, 3), floats(4)], {"strides": [2, 2], "pads": [1, 1, 1, 1]}, 11),
    ("ConvTranspose", [floats(2, 3, 4, 5), floats(3, 4, 3, 3)], {"strides": [2, 2], "pads": [0, 1, 1, 0], "output_padding": [1, 1]}, 11),
    ("ConvTranspose", [floats(2, 4, 4, 5), floats(4, 2, 3, 3)], {"group": 2, "dilations": [2, 1]}, 11),
    ("ConvTranspose", [floats(2, 3, 4, 5), floats(3, 4, 3, 3)], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, 11),
    ("ConvTranspose", [floats(2, 3, 4, 5), floats(3, 4, 3, 3)], {"strides": [2, 2], "output_shape": [8, 10]}, 11),
    *[("BatchNormalization", [X, floats(3), floats(3), floats(3), floats(3, low=0.2)], {"epsilon": 1e-3}, o) for o in (9, 14, 15)],
    ("LayerNormalization", [floats(2, 3, 6), floats(6), floats(6)], {}, 17), ("LayerNormalization", [floats(2, 3, 6), floats(3, 6)], {"axis": 1}, 17),
    ("InstanceNormalization", [X, floats(3), floats(3)], {}, 9), ("GroupNormalization", [floats(2, 4, 3, 3), floats(4), floats(4)], {"num_groups": 2}, 21),
    ("LRN", [floats(2, 7, 4, 4)], {"size": 5, "alpha": 0.02, "bias": 1.5}, 13), ("LpNormalization", [floats(2, 5)], {"axis": 1}, 13),
    ("LpNormalization", [floats(2, 5)], {"p": 1}, 13), ("RMSNormalization", [floats(2, 3, 6), floats(6)], {}, 23),
    *[("MaxPool", [X], at, o) for at, o in (
        ({"kernel_shape": [3, 3]}, 8), ({"kernel_shape": [2, 2], "strides": [2, 2]}, 12), ({"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, 12),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 12), ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, 12),
        ({"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, 12), ({"kernel_shape": [2, 2], "dilations": [2, 2]}, 12),
        ({"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}, 12))],
    *[("AveragePool", [X], at, o) for at, o in (
        ({"kernel_shape": [3, 3]}, 7), ({"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, 11),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 11), ({"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 19),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, 11))],
    ("GlobalAveragePool", [X], {}, 9), ("GlobalMaxPool", [X], {}, 9),
    ("Reshape", [X, whole(0, -1)], {}, 13, {"constants": (1,)}), ("Reshape", [floats(0, 3), whole(3, 0)], {"allowzero": 1}, 14),
    ("Transpose", [X], {"perm": [0, 2, 3, 1]}, 13), ("Transpose", [floats(2, 5)], {}, 13), ("Flatten", [X], {}, 9), ("Flatten", [X], {"axis": 2}, 13),
    ("Flatten", [X], {"axis": 0}, 13), ("Flatten", [X], {"axis": -1}, 13),
    ("Squeeze", [floats(2, 1, 3, 1)], {"axes": [1]}, 11), ("Squeeze", [floats(2, 1, 3, 1), whole(-1)], {}, 13), ("Squeeze", [floats(2, 1, 3, 1)], {}, 13),
    ("Unsqueeze", [floats(2, 3)], {"axes": [0, 3]}, 11), ("Unsqueeze", [floats(2, 3), whole(-1, 0)], {}, 13),
    ("Concat", [floats(2, 3), floats(2, 4)], {"axis": -1}, 13), ("Split", [floats(2, 7)], {"axis": 1, "split": [3, 4]}, 11, {"outputs": 2}),
    ("Split", [floats(2, 7), whole(2, 5)], {"axis": 1}, 13, {"outputs": 2}), ("Split", [floats(2, 7)], {"axis": 1, "num_outputs": 3}, 18, {"outputs": 3}),
    ("Slice", [floats(4, 6)], {"starts": [1, -4], "ends": [3, 100], "axes": [0, 1]}, 9),
    ("Slice", [floats(4, 6), whole(-1), whole(-100), whole(1), whole(-2)], {}, 13), ("Slice", [floats(4, 6), whole(1, 0), whole(4, 5)], {}, 13),
    ("Slice", [floats(4, 6), whole(0), whole(6), whole(-1), whole(4)], {}, 11), ("Expand", [floats(3, 1), whole(2, 1, 4)], {}, 13),
    ("Tile", [floats(2, 3), whole(2, 3)], {}, 13), ("Shape", [X], {}, 13), ("Shape", [X], {"start": 1, "end": -1}, 15), ("Size", [X], {}, 13),
    ("ConstantOfShape", [whole(2, 3)], {"value": numpy_helper.from_array(np.array([4], np.int64))}, 9), ("ConstantOfShape", [whole(2)], {}, 9),
    ("Range", [np.int64(2), np.int64(9), np.int64(3)], {}, 11), ("Range", [np.float32(2), np.float32(3), np.float32(0.25)], {}, 11),
    ("Pad", [floats(2, 4)], {"pads": [0, 1, 2, 3], "value": 1.5}, 10), ("Pad", [floats(2, 4), whole(0, 1, 1, -1), np.float32(2)], {}, 13),
    ("Pad", [floats(3, 4), whole(1, 2, 1, 0)], {"mode": "reflect"}, 13), ("Pad", [floats(3, 4), whole(1, 2, 1, 0)], {"mode": "edge"}, 13),
    ("Pad", [floats(3, 4), whole(2, 1), np.float32(0), whole(1)], {}, 18), ("Pad", [floats(3, 4), whole(1, 2, 1, 0)], {"mode": "wrap"}, 19),
    ("Upsample", [X, np.array([1, 1, 2, 2], np.float32)], {"mode": "nearest"}, 9, {"constants": (1,)}), ("Upsample", [X, np.array([1, 1, 2, 2], np.float32)], {"mode": "linear"}, 9, {"constants": (1,)}),
    ("Resize", [X, np.array([1, 1, 2, 2], np.float32)], {"mode": "nearest"}, 10, {"constants": (1,)}),
    *[("Resize", [X, None, np.array([1, 1, 2, 1.5], np.float32)], {"mode": mode, "coordinate_transformation_mode": way, **at}, 13, {"constants": (2,)})
      for mode, at in (("nearest", {"nearest_mode": "floor"}), ("nearest", {"nearest_mode": "round_prefer_floor"}), ("linear", {}), ("cubic", {}))
      for way in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")],
    ("Resize", [X, None, None, whole(2, 3, 5, 4)], {"mode": "linear"}, 13, {"constants": (3,)}),
    ("Resize", [X, None, None, whole(2, 3, 16, 18)], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 18, {"constants": (3,)}),
    ("Resize", [X, None, None, whole(16, 18)], {"mode": "linear", "axes": [2, 3]}, 18, {"constants": (3,)}),
    ("DepthToSpace", [floats(2, 8, 3, 3)], {"blocksize": 2}, 13), ("DepthToSpace", [floats(2, 8, 3, 3)], {"blocksize": 2, "mode": "CRD"}, 13),
    ("SpaceToDepth", [floats(2, 3, 4, 6)], {"blocksize": 2}, 13),
    ("Gather", [floats(5, 3), np.array([[0, -1], [2, 2]])], {}, 13, {"constants": (0,)}), ("Gather", [floats(5, 3), np.int64(1)], {"axis": 1}, 13),
    ("GatherElements", [floats(2, 5), np.array([[0, -1], [2, 2]])], {"axis": 1}, 13), ("GatherND", [floats(2, 5), np.array([[0, 1], [1, -1]])], {}, 13),
    ("ScatterElements", [floats(2, 5), np.array([[0, -1], [2, 3]]), floats(2, 2)], {"axis": 1}, 18), ("ScatterND", [floats(4, 3), np.array([[1], [3]]), floats(2, 3)], {}, 18),
    ("OneHot", [whole(0, 2, -1), np.int64(3), np.array([0, 1], np.float32)], {}, 11), ("OneHot", [whole(0, 2), np.int64(3), np.array([0.5, 2], np.float32)], {"axis": 0}, 11),
    ("Trilu", [floats(4, 4)], {"upper": 0}, 14), ("Trilu", [floats(4, 4), np.int64(1)], {}, 14), ("NonZero", [np.array([[1, 0], [0, 2]], np.float32)], {}, 13),
    ("TopK", [floats(2, 5), whole(3)], {}, 11, {"outputs": 2}), ("TopK", [floats(2, 5)], {"k": 2}, 9, {"outputs": 2}), ("TopK", [floats(2, 5), whole(2)], {"largest": 0, "axis": 1}, 11, {"outputs": 2}),
    ("ArgMax", [floats(2, 5)], {"axis": 1}, 13), ("ArgMin", [floats(2, 5)], {"axis": 0, "keepdims": 0}, 13), ("ArgMax", [np.array([[1, 1, 0]], np.float32)], {"axis": 1, "select_last_index": 1}, 13),
    *[(op, [POSITIVE], {"axes": [1]}, 11) for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")],
    *[(op, [POSITIVE, whole(-1)], {"keepdims": 0}, 18) for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")],
    ("ReduceSum", [POSITIVE, whole(0)], {}, 13), ("ReduceMean", [POSITIVE], {}, 11), ("ReduceSum", [floats(2, 5)], {"noop_with_empty_axes": 1}, 13),
    ("Attention", [floats(2, 3, 4, 8), floats(2, 3, 5, 8), floats(2, 3, 5, 8)], {}, 23), ("Attention", [floats(2, 3, 4, 8), floats(2, 3, 4, 8), floats(2, 3, 4, 8)], {"is_causal": 1}, 23),
    ("Attention", [floats(2, 4, 24), floats(2, 5, 12), floats(2, 5, 12)], {"q_num_heads": 4, "kv_num_heads": 2, "scale": 0.3}, 23),
    ("Attention", [floats(2, 3, 4, 8), floats(2, 3, 5, 8), floats(2, 3, 5, 8), floats(4, 5) > -1], {}, 23),
]  # fmt: skip
ML_CASES: list[tuple[Any, ...]] = [
    ("Scaler", [floats(3, 4)], {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [0.5, 2.0, 1.0, 1.0]}),
    ("Normalizer", [floats(3, 4)], {"norm": "L2"}), ("Normalizer", [floats(3, 4)], {"norm": "L1"}),
    ("LinearRegressor", [floats(3, 4)], {"coefficients": [1.0, -2.0, 0.5, 3.0], "intercepts": [0.3], "targets": 1}),
]  # fmt: skip
