"""transformers' models for texts and pictures, from a hub id, a directory, a package or a fixture."""

from __future__ import annotations

import importlib.util
import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from workbench.assets import asset
from workbench.backbones.quiet import quiet_transformers
from workbench.backbones.torch import TorchBackbone, find_head, parameters_of
from workbench.config import Backbone
from workbench.errors import ArtefactError, ConfigError, MissingDependency
from workbench.modalities.image import ImagePreparation
from workbench.modalities.text import TextPreparation
from workbench.run import hash_file

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def resolve(source: str) -> str:
    """A backbone's name as transformers takes it: a directory or a hub id.

    Raises:
        ConfigError: nothing there. MissingDependency: `package:` of one not installed.
    """
    scheme, colon, rest = source.partition(":")
    if colon and scheme == "fixture":
        folder = asset("fixtures", rest)
        if not (folder / "config.json").is_file():
            known = sorted(p.parent.name for p in asset("fixtures").glob("*/config.json"))
            raise ConfigError(f"no backbone {source!r}", hint=f"known: {', '.join('fixture:' + k for k in known)}")
        return str(folder)
    if colon and scheme == "package":
        package, _, inside = rest.partition("/")
        try:
            spec = importlib.util.find_spec(package)
        except (ModuleNotFoundError, ValueError):  # the parent of a dotted name is missing; no name at all
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise MissingDependency(package.replace("_", "-"), f"backbone {source!r}")
        return str(Path(spec.submodule_search_locations[0]) / inside)
    if source and Path(source).is_dir():
        return source
    if source.startswith(("/", "./", "../", "~")) or source.count("/") > 1 or not source:
        raise ConfigError(
            f"no backbone at {source!r}", hint="set backbone.source to a directory with config.json, or a hub id"
        )
    return source


def load_text(
    config: Backbone, labels: tuple[str, ...], *, regression: bool = False, dropout: float | None = None
) -> tuple[TorchBackbone, TextPreparation]:
    """A sequence-classification model and its tokenizer."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = resolve(config.source)
    module, facts = _load(AutoModelForSequenceClassification, path, config, labels, dropout)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **_hub(config))
    except (OSError, ValueError) as e:
        if "custom code" in str(e):
            raise _own_code(config) from e
        raise ConfigError(f"{config.source}: no tokenizer: {_first_line(e)}", hint="add the tokenizer's files") from e
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigError(f"{config.source}: its tokenizer has no fast form", hint="save it with `tokenizer.json`")
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # transformers makes an empty one where files lack
        raise ConfigError(f"{config.source}: its tokenizer knows no word", hint="add the tokenizer's files")
    limit = min(config.max_length, _positions(module) or config.max_length)
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is None:
        raise ConfigError(f"{config.source}: its tokenizer has no padding token", hint="set pad_token in its files")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    module.config.pad_token_id = pad
    taken = inspect.signature(module.forward).parameters  # a tokenizer may give more than the model takes
    given = [*tokenizer.model_input_names, "attention_mask"]
    names = [
        n for n in ("input_ids", "attention_mask", "token_type_ids") if n in given and (n in taken or n == "input_ids")
    ]
    preparation = TextPreparation(backend.to_str(), tuple(names), limit, pad, tokenizer.mask_token_id)
    backbone = _backbone(module, tuple(names), "text", labels, facts)
    backbone.companions = _files_of(tokenizer)
    return backbone, preparation


def load_image(
    config: Backbone, labels: tuple[str, ...], *, dropout: float | None = None
) -> tuple[TorchBackbone, ImagePreparation]:
    """An image-classification model and its preparation."""
    from transformers import AutoModelForImageClassification

    path = resolve(config.source)
    module, facts = _load(AutoModelForImageClassification, path, config, labels, dropout)
    settings = _processor(path, config)
    preparation = image_preparation(settings, config, module)
    backbone = _backbone(module, ("pixel_values",), "image", labels, facts)
    backbone.companions = {"preprocessor_config.json": json.dumps(_settings_of(preparation)).encode()}
    return backbone, preparation


def _positions(module: nn.Module) -> int:
    """How many tokens the model has positions for; 0 where there is no limit."""
    for name, layer in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(layer, nn.Embedding):
            # RoBERTa and its kin count positions from after the padding token's number.
            return layer.num_embeddings - (0 if layer.padding_idx is None else layer.padding_idx + 1)
    return int(getattr(module.config, "max_position_embeddings", None) or 0)


def _files_of(tokenizer: Any) -> dict[str, bytes]:
    """The tokenizer's own files, to travel with the checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir()) if p.is_file()}


def _settings_of(preparation: ImagePreparation) -> dict[str, Any]:
    """A preparation as a transformers preprocessor's settings, which `image_preparation` reads back."""
    cropped = len(preparation.resize) == 1
    return {
        "image_processor_type": "BitImageProcessor" if cropped else "ViTImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": preparation.resize[0]}
        if cropped
        else {"height": preparation.height, "width": preparation.width},
        "do_center_crop": cropped,
        "crop_size": {"height": preparation.height, "width": preparation.width},
        "resample": preparation.resample,
        "do_rescale": True,
        "rescale_factor": preparation.scale,
        "do_normalize": True,
        "image_mean": list(preparation.mean),
        "image_std": list(preparation.std),
    }


def _hub(config: Backbone) -> dict[str, Any]:
    options: dict[str, Any] = {"trust_remote_code": config.trust_remote_code}
    return options | ({"revision": config.revision} if config.revision else {})


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]


def _own_code(config: Backbone) -> ConfigError:
    return ConfigError(
        f"backbone {config.source!r} comes with code of its own, which is not run",
        hint="read the code; if you trust it, set backbone.trust_remote_code = true, and the report will say so",
    )


def _load(
    auto: Any, path: str, config: Backbone, labels: tuple[str, ...], dropout: float | None
) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoConfig

    try:
        model_config = AutoConfig.from_pretrained(path, **_hub(config))
    except (OSError, ValueError) as e:
        if "custom code" in str(e):
            raise _own_code(config) from e
        raise ConfigError(
            f"backbone {config.source!r} cannot be loaded: {_first_line(e)}",
            hint="give a directory with config.json and model.safetensors, or a hub id that this machine can reach",
        ) from e
    own = [str(v) for _, v in sorted((getattr(model_config, "id2label", None) or {}).items())]
    speaks = bool(labels) and sorted(own) == sorted(labels)
    names = own if speaks else list(labels) or ["value"]
    model_config.id2label = dict(enumerate(names))
    model_config.label2id = {n: i for i, n in enumerate(names)}
    model_config.num_labels = len(names)
    if not labels:
        model_config.problem_type = "regression"
    if dropout is not None:
        for key in ("hidden_dropout_prob", "classifier_dropout", "dropout", "seq_classif_dropout"):
            if hasattr(model_config, key):
                setattr(model_config, key, dropout)
    try:
        with quiet_transformers():
            module, info = auto.from_pretrained(
                path,
                config=model_config,
                attn_implementation="eager",  # traceable for the gradient graph, and the same numbers everywhere
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                dtype=torch.float32,
                use_safetensors=True,
                **_hub(config),
            )
    except ValueError as e:
        if "custom code" in str(e):
            raise _own_code(config) from e
        raise ConfigError(
            f"backbone {config.source!r} ({model_config.model_type}) does not fit the task: {_first_line(e)}",
            hint="choose a text backbone for texts, a picture backbone for pictures",
        ) from e
    except (OSError, SafetensorError) as e:
        raise ArtefactError(
            f"backbone {config.source!r} has no readable weights: {_first_line(e)}",
            hint="it must hold model.safetensors; pickled weights (.bin, .pt) are refused",
        ) from e
    fresh = set(info["missing_keys"]) | {k[0] for k in info["mismatched_keys"]}
    facts = {
        "source": config.source,
        "class": type(module).__name__,
        "fresh": sorted(fresh),
        "own_labels": own if speaks else [],
        "sha256": next((hash_file(Path(path) / w) for w in _WEIGHTS if (Path(path) / w).is_file()), None),
        "runs_user_code": config.trust_remote_code,
    }
    return module, facts


def _backbone(
    module: Any, inputs: tuple[str, ...], modality: str, labels: tuple[str, ...], facts: dict[str, Any]
) -> TorchBackbone:
    head = find_head(module, max(len(labels), 1))
    fresh = frozenset(facts.pop("fresh"))
    own = facts.pop("own_labels")
    speaks = bool(own) and not fresh & parameters_of(module, head)
    if speaks and own != list(labels):  # the data's order of the labels is the one that counts
        layer = module.get_submodule(head)
        order = [own.index(name) for name in labels]
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(parameter[order].clone())
        module.config.id2label = dict(enumerate(labels))
        module.config.label2id = {n: i for i, n in enumerate(labels)}
    module.eval()
    return TorchBackbone(module, inputs, modality, head, fresh, facts, speaks_labels=speaks)


def _processor(path: str, config: Backbone) -> dict[str, Any]:
    """The preprocessor's settings as a mapping; empty where the backbone has none."""
    local = Path(path) / "preprocessor_config.json"
    if Path(path).is_dir() and not local.is_file():
        return {}
    from transformers import AutoImageProcessor

    try:  # older files leave out what their class takes for granted, or give sizes as bare numbers
        with quiet_transformers():
            auto: Any = AutoImageProcessor
            return auto.from_pretrained(path, backend="pil", **_hub(config)).to_dict()
    except (OSError, ValueError) as e:
        if local.is_file():
            return _read_settings(local)
        raise ConfigError(
            f"{config.source}: no image processor: {_first_line(e)}", hint="set image_size, mean, std"
        ) from e


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as e:
        raise ArtefactError(f"{file} is not JSON: {e}", hint="restore it, or remove it and set image_size") from e
    return settings if isinstance(settings, dict) else {}


def image_preparation(settings: dict[str, Any], config: Backbone, module: nn.Module | None = None) -> ImagePreparation:
    """How pictures are prepared, from a transformers preprocessor's settings.

    Covers the settings of ViT, DeiT, BEiT, Swin, ConvNeXT, ResNet (`ConvNextImageProcessor`
    with `crop_pct`), MobileNet and timm-wrapped models; `config.image_size`, `mean` and `std`
    override them.
    """
    size = settings.get("size") or {}
    size = size if isinstance(size, dict) else {"height": size, "width": size}
    native = getattr(getattr(module, "config", None), "image_size", None)
    side: Any = config.image_size or size.get("shortest_edge") or size.get("height") or native or 224
    side = side[0] if isinstance(side, (list, tuple)) else int(side)
    height, width = side, side
    resize: tuple[int, ...] = (side, side)
    if not config.image_size:
        height, width = int(size.get("height", side)), int(size.get("width", side))
        resize = (height, width)
        crop = settings.get("crop_size")
        if settings.get("crop_pct") and "shortest_edge" in size and side < 384:  # ConvNeXT's own rule
            resize = (int(side / settings["crop_pct"]),)
        elif settings.get("do_center_crop") and crop:
            resize = (int(size["shortest_edge"]),) if "shortest_edge" in size else resize
            height, width = (crop["height"], crop["width"]) if isinstance(crop, dict) else (crop, crop)
    mean = config.mean or tuple(settings.get("image_mean") or (0.5, 0.5, 0.5))
    std = config.std or tuple(settings.get("image_std") or (0.5, 0.5, 0.5))
    if settings.get("do_normalize") is False and not config.mean:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ConfigError(f"backbone.mean, backbone.std = {mean}, {std}", hint="three numbers each, std over zero")
    scale = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    return ImagePreparation(height, width, resize, mean, std, int(settings.get("resample", 2)), float(scale))
