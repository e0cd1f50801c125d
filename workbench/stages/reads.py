"""Files and folders of a run that each stage reads: it is done again where one is no longer what it was."""

from __future__ import annotations

# In the order in which a run does them: what each takes from the config, and the stage whose files it reads.
MADE_OF: dict[str, tuple[tuple[str, ...], str]] = {
    "prepare": (("data",), ""),
    "finetune": (("backbone", "finetune"), "prepare"),
    "export": (("export",), "finetune"),
    "adopt": (("audit",), "prepare"),
    "predict": (("predict",), "export"),
    "evaluate": (("evaluate",), "predict"),
    "slices": (("evaluate",), "predict"),
    "compare": (("evaluate", "compare"), "predict"),
    "variants": (("export", "evaluate", "explain"), "predict"),
    "explain": (("explain",), "predict"),
    "assess": (("assess",), "explain"),
    "overall": (("explain",), "explain"),
    "flips": (("explain", "compare"), "explain"),
    "shift": (("evaluate", "explain", "compare"), "explain"),
    "contrast": (("explain",), "explain"),
}
STAGES = tuple(name for name in MADE_OF if name != "adopt")
# Of a model that was trained elsewhere: there is no model before, and nothing to train or to compare.
AUDIT = tuple(name for name in MADE_OF if name not in ("finetune", "export", "compare", "flips", "variants", "shift"))
VARIANTS = {"dtypes", "latency_seconds"}  # keys of [export] that the deployed file itself does not depend on
TURNS = {"immutable", "ranges", "change"}  # keys of [explain] that counterfactuals alone depend on
ASKING = {"explain", "assess", "flips", "shift", "overall", "contrast"}  # stages that put masks to a model
BEFORE = ("base/model.onnx", "base/explain.onnx", "base/parity.json")  # of a run on pictures
_MODELS = (
    *("base/model.safetensors", "tuned/checkpoint", *BEFORE),
    *("onnx/model.onnx", "onnx/explain.onnx", "onnx/contract.json"),
    "onnx/parity.json",  # says whether the gradients of the deployed file may be used
)
_ANSWERS = ("base/predictions.parquet", "onnx/predictions.parquet")
_EXPLAINED = ("cases.json", *(f"{m}/attributions" for m in ("base", "tuned", "onnx")))
_BANKS = ("base/bank.safetensors", "onnx/bank.safetensors")
_SOURCE = "tuned/finetune.json"  # says which backbone the model before is
READS: dict[str, tuple[str, ...]] = {
    "prepare": (),
    "finetune": ("data/splits.parquet",),
    "adopt": (),
    "export": ("tuned/checkpoint", "base/model.safetensors", "base/thresholds.json", "tuned/thresholds.json", _SOURCE),
    "predict": (*_MODELS, _SOURCE, "base/thresholds.json", "tuned/thresholds.json"),
    "evaluate": (*_ANSWERS, "tuned/predictions.parquet"),
    "slices": _ANSWERS,
    "compare": (*_ANSWERS, *_MODELS, _SOURCE),
    "explain": (*_ANSWERS, *_MODELS, _SOURCE),
    "assess": (*_ANSWERS, *_MODELS, _SOURCE, *_EXPLAINED, *_BANKS),
    "overall": (*_ANSWERS, *_MODELS, *_EXPLAINED),
    "flips": (*_ANSWERS, *_MODELS, _SOURCE, *_BANKS, "comparison.json"),
    "variants": (*_ANSWERS, *_MODELS, _SOURCE),
    "shift": (*_ANSWERS, *_MODELS, _SOURCE, *_EXPLAINED),
    "contrast": (*_ANSWERS, *_MODELS, *_EXPLAINED, *_BANKS, "tuned/embeddings.safetensors"),
}
