"""Opening an ONNX file in ONNX Runtime, and proof of what runs where.

ONNX Runtime goes over to the CPU in silence, when a session is made and again in the middle of a
run. So the fallback is switched off, the provider of every node is recorded when the session is
made, and the session's providers are looked at after every batch.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.backbones.devices import choose_device, cuda_devices, cuda_hint, missing_for_cuda
from workbench.errors import ArtefactError, StageError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
# Operators that take the time of a model: on a GPU they must not be left to the CPU.
_HEAVY = """
MatMul Gemm FusedMatMul FusedGemm MatMulInteger DynamicQuantizeMatMul QLinearMatMul QGemm
Conv FusedConv ConvInteger QLinearConv ConvTranspose
Attention MultiHeadAttention QAttention Softmax
LayerNormalization SkipLayerNormalization EmbedLayerNormalization SimplifiedLayerNormalization
LSTM GRU RNN TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor SVMClassifier SVMRegressor
"""
HEAVY = frozenset(_HEAVY.split())
# Threads wait passively between batches, as OpenMP's do here (docs/decisions.md).
SPINNING = "session.intra_op.allow_spinning"
_OWN = {SPINNING: "0"}
_MUTED = threading.RLock()
_WORDS = {CPU: "the CPU", CUDA: "the GPU, by CUDA", TENSORRT: "the GPU, by TensorRT"}


def open_session(
    path: Path,
    device: str = "auto",
    threads: int = 0,
    *,
    tensorrt: Path | None = None,
    entries: Mapping[str, str] | None = None,
    cuda_options: Mapping[str, str] | None = None,
) -> Any:
    """A session that does not fall back in silence.

    The file should have gone through `check_file` before.

    Args:
        path: the ONNX file.
        device: "cpu", "cuda" or "auto" (CUDA where there truly is one).
        threads: of one operator; 0 leaves it to the runtime.
        tensorrt: folder of TensorRT's engines; None: TensorRT is not used. Making an engine takes
            minutes, so it is kept.
        entries: further entries of the session's configuration.
        cuda_options: further options of the CUDA provider.

    Raises:
        ArtefactError: ONNX Runtime cannot load the file.
        StageError: CUDA was asked for and is not there, or the model does not fit into memory.
    """
    wanted = choose_device(device)
    if wanted == "cuda":
        with contextlib.suppress(ImportError):
            import torch  # noqa: F401 - its CUDA libraries are loaded first, so the runtime finds them
    with muted():
        import onnxruntime as ort

        ort.set_default_logger_severity(4)
        options = ort.SessionOptions()
        options.log_severity_level = 4  # a failing run raises; it need not print as well
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        for key, value in {**_OWN, **(entries or {})}.items():
            options.add_session_config_entry(key, value)
        if wanted == "cuda":
            ort.preload_dlls()
            if tensorrt is not None:  # its builder has no option of its own to compute in fp32 what is fp32
                os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
        providers = providers_for(wanted, tensorrt, cuda_options)
        try:
            session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as e:  # the runtime's errors share no base class
            if any(words in str(e).lower() for words in ("bad_alloc", "failed to allocate", "out of memory")):
                raise StageError(f"{path} does not fit into memory", hint="use a larger machine or model") from e
            raise ArtefactError(
                f"{path} cannot be loaded: {runtime_reason(e)}", hint="export it again, for an opset that is known"
            ) from e
    session.disable_fallback()
    if device == "cuda" and session.get_providers()[0] == CPU:
        raise StageError(f"--device cuda: {_could_not_start()}", hint=cuda_hint())
    if wanted == "cuda" and tensorrt is not None and session.get_providers()[0] != TENSORRT:
        raise StageError(
            "predict.gpu = 'tensorrt': ONNX Runtime could not start TensorRT (libnvinfer.so.10)",
            hint="pip install tensorrt, or set predict.gpu to 'plain' or 'graphs'",
        )
    return session


def providers_for(
    device: str, tensorrt: Path | None = None, cuda_options: Mapping[str, str] | None = None
) -> list[Any]:
    """Execution providers with their options, first choice first.

    TF32 is off, so that a GPU computes in fp32 what the model was trained in; algorithms of a
    convolution are chosen by rule, as the default searches anew for every new shape.
    """
    providers: list[Any] = [CPU]
    if device == "cuda":
        own = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
        providers.insert(0, (CUDA, {**own, **(cuda_options or {})}))
    if device == "cuda" and tensorrt is not None:
        cache = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
        cache |= {"trt_engine_cache_path": str(tensorrt), "trt_timing_cache_path": str(tensorrt)}
        providers.insert(0, (TENSORRT, cache))
    return providers


def assignment(session: Any) -> dict[str, Any]:
    """Which provider runs which nodes of a session, after the runtime's own fusions.

    Returns:
        `nodes` {provider: count}, `heavy` {operator: {provider: count}} of the operators that take
        the time, and `fell_back` [{operator, name}] of those that a GPU's session leaves to the CPU.
    """
    nodes: Counter[str] = Counter()
    heavy: dict[str, Counter[str]] = {}
    fell_back = []
    gpu = session.get_providers()[0] != CPU
    for part in session.get_provider_graph_assignment_info():
        for node in part.get_nodes():
            nodes[part.ep_name] += 1
            if node.op_type in HEAVY:
                heavy.setdefault(node.op_type, Counter())[part.ep_name] += 1
                if gpu and part.ep_name == CPU:
                    fell_back.append({"operator": node.op_type, "name": node.name})
    return {
        "nodes": dict(sorted(nodes.items())),
        "heavy": {k: dict(sorted(v.items())) for k, v in sorted(heavy.items())},
        "fell_back": sorted(fell_back, key=lambda f: (f["operator"], f["name"])),
    }


def ran_on(session: Any, requested: str, proof: Mapping[str, Any]) -> str:
    """One sentence for providers.json: where the file ran, why there, and what fell back."""
    first = session.get_providers()[0]
    why = ""
    if first == CPU and requested != "cpu":
        why = f" ({_could_not_start() if cuda_devices() else 'no CUDA device was found'})"
    sentence = f"ran on {_WORDS.get(first, first)} in ONNX Runtime{why}"
    fallen = Counter(f["operator"] for f in proof["fell_back"])
    if fallen:
        listed = ", ".join(f"{n} {kind}" for kind, n in sorted(fallen.items()))
        sentence += f"; left to the CPU, and slow: {listed}"
    return sentence


def _could_not_start() -> str:
    missing = missing_for_cuda()
    return f"ONNX Runtime could not start on CUDA{': ' + '; '.join(missing) if missing else ''}"


def runtime_reason(error: Exception) -> str:
    """What ONNX Runtime objects to, without its file names and signatures.

    Its messages are one line of "[ONNXRuntimeError] : code : NAME : Load model from PATH failed:", often the
    place in its own source, and then the reason.
    """
    said = " ".join(str(error).split())
    unknown = re.search(r"No Op registered for (\S+) with domain_version of (\d+)", said)
    if unknown:
        return f"there is no operator {unknown[1]} in opset {unknown[2]}"
    unknown = re.search(r"Op registered for (\S+) is deprecated in domain_version of (\d+)", said)
    if unknown:
        return f"the operator {unknown[1]} is no longer in opset {unknown[2]}"
    unknown = re.search(r"Fatal error: (\S+?)(?:\(-?\d+\))? is not a registered function/op", said)
    if unknown:
        return f"there is no operator {unknown[1]} in this ONNX Runtime"
    unknown = re.search(r"Opset (\d+) is under development.*till opset (\d+)", said)
    if unknown:
        return f"it is of opset {unknown[1]}, this ONNX Runtime knows them up to {unknown[2]}"
    said = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", said)
    said = re.sub(r"^Load model from .*? failed:\s*", "", said)
    said = re.sub(r"^/\S+/onnxruntime/\S+:\d+ .*?\) (?=[A-Z])", "", said)
    return said[:300] or type(error).__name__


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Hold back what native code prints on stderr while libraries load; one thread at a time, as all share it."""
    with _MUTED:
        try:
            saved = os.dup(2)
        except OSError:
            yield
            return
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(saved, 2)
                os.close(saved)
