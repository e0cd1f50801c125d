"""An ONNX model in another number format: fp16, bf16 weights, int8."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from workbench.backbones.onnx_session import muted
from workbench.errors import ExportError, MissingDependency

DTYPES = ("fp32", "fp16", "bf16", "int8")
# Sums and exponentials that leave fp16's range of 65,504: kept in fp32.
_KEPT_IN_FP32 = (
    "LayerNormalization",
    "SkipLayerNormalization",
    "EmbedLayerNormalization",
    "SimplifiedLayerNormalization",
    "Softmax",
    "ReduceMean",
    "ReduceSum",
    "Pow",
    "Sqrt",
)
_SMALL = 256  # numbers of a weight up to which it is left alone: biases, scales, shapes


def convert(content: bytes, dtype: str, calibration: Sequence[Mapping[str, np.ndarray]] = ()) -> tuple[bytes, str]:
    """The model in another number format, and in one sentence how that was made.

    Args:
        content: the fp32 model.
        dtype: "fp16", "bf16" or "int8".
        calibration: batches of training data; what static quantisation takes its ranges from.

    Raises:
        ExportError: the model cannot be written in this format; the message says why.
    """
    try:
        with _quiet():
            if dtype == "fp16":
                made, how = _to_fp16(onnx.load_from_string(content))
            elif dtype == "bf16":
                made, how = _to_bf16(onnx.load_from_string(content))
            else:
                made, how = _to_int8(onnx.load_from_string(content), calibration)
    except (ExportError, MissingDependency):
        raise
    except Exception as e:  # the converters raise many kinds, all meaning the same to the caller
        reason = (str(e).strip().splitlines() or [type(e).__name__])[0][:300]
        raise ExportError(f"the model could not be written as {dtype}: {reason}") from e
    return made.SerializeToString(deterministic=True), how


def _to_fp16(model: Any) -> tuple[Any, str]:
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    # Single numbers beyond the range, such as what hides padding from a softmax, are cut to it: exp is 0 either way.
    largest = max((float(np.abs(w).max(initial=0)) for w in _weights(model)), default=0.0)
    if not largest < 65504:
        raise ExportError(f"a weight of {largest:.3g} is beyond fp16's range of 65,504")
    made = convert_float_to_float16(model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_KEPT_IN_FP32])
    return made, "weights and sums in 16 bits; normalisation and softmax stay in 32"


def _to_bf16(model: Any) -> tuple[Any, str]:
    """Weights in bfloat16, cast back where they are used: half the file, fp32 arithmetic, on any provider."""
    graph, casts, kept = model.graph, [], []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or _size(weight) <= _SMALL:
            kept.append(weight)
            continue
        name = f"{weight.name}.bf16"
        raw = bfloat16(numpy_helper.to_array(weight))
        kept.append(TensorProto(name=name, data_type=TensorProto.BFLOAT16, dims=weight.dims, raw_data=raw))
        casts.append(helper.make_node("Cast", [name], [weight.name], name=name, to=TensorProto.FLOAT))
    if not casts:
        raise ExportError("no weight is large enough to gain from 16 bits")
    nodes = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*casts, *nodes])
    return model, "weights kept in bfloat16, arithmetic in 32 bits"


def bfloat16(values: np.ndarray) -> bytes:
    """fp32 to bfloat16, to the nearest and to even on a tie, as little-endian bytes."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16
    return rounded.astype("<u2").tobytes()


def _to_int8(model: Any, calibration: Sequence[Mapping[str, np.ndarray]]) -> tuple[Any, str]:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    _named(model)
    del model.graph.value_info[:]  # shapes of weights that the quantiser transposes would be stale
    # Weights of 7 bits: processors without VNNI add two products in 16 bits, which 8-bit weights overflow
    # in silence.
    kinds = Counter(node.op_type for node in model.graph.node)
    metadata = {p.key: p.value for p in model.metadata_props}
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        path = Path(folder) / "int8.onnx"
        if kinds["Conv"] > kinds["MatMul"] + kinds["Gemm"]:
            if not calibration:
                raise ExportError("static quantisation needs training data to take its ranges from")
            quantize_static(
                model,
                path,
                _Calibration(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            n = sum(len(next(iter(b.values()))) for b in calibration)
            how = f"static, ranges from {n:,} training examples; 7-bit weights by channel"
        else:
            quantize_dynamic(model, path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
            how = "dynamic: 7-bit weights by channel, activations as they come"
        made = onnx.load(path)
    if not any(weight.data_type in (TensorProto.INT8, TensorProto.UINT8) for weight in made.graph.initializer):
        raise ExportError(f"none of its operators has an 8-bit form ({', '.join(sorted(kinds))})")
    del made.metadata_props[:]
    helper.set_model_props(made, metadata)
    made.producer_name = "workbench"
    return made, how


class _Calibration:
    """Batches of training data, one after the other."""

    def __init__(self, batches: Sequence[Mapping[str, np.ndarray]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else dict(batch)


def _named(model: Any) -> None:
    """Give every node a name: the quantiser keeps nodes apart by it."""
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}.{i}"


def _weights(model: Any) -> Iterator[np.ndarray]:
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and _size(weight) > _SMALL:
            yield numpy_helper.to_array(weight)


def _size(weight: Any) -> int:
    return int(np.prod(weight.dims, dtype=np.int64))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converters' advice out of the user's terminal."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), muted():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
