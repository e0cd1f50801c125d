"""The section of a config that speaks of a model file from elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config_text import Section


class Audit(Section):
    """A model file that was made elsewhere, and what it does not say of itself (`workbench audit`)."""

    model: str = Field("", description="ONNX file; empty: the run trains its own model")
    output: str = Field("", description="output that is read; empty: found")
    scores: Literal["", "logits", "probabilities", "sigmoid", "probability", "logit", "value"] = Field(
        "", description="what the output's numbers are; empty: seen in them"
    )
    labels_from: str = Field("", description="where the class names come from, in words; filled in by the command")
    inputs: dict[str, tuple[str, ...]] = Field(
        {}, description="columns, or one of `input_ids`, `attention_mask`, `token_type_ids`, for an input by its name"
    )
    layout: Literal["", "nchw", "nhwc"] = Field("", description="of a picture; empty: by the input's sizes")
    channels: Literal["", "rgb", "bgr", "grey"] = Field("", description="of a picture; empty: by the input's sizes")
    size: tuple[int, ...] = Field((), description="height and width of a picture; empty: those of the input")
    scale: float | None = Field(
        None, gt=0, description="what pixels of 0 to 255 are divided by: 255 or 1; empty: by the file, else asked for"
    )
    mean: tuple[float, ...] = Field((), description="subtracted after scaling: one number, or one a channel")
    std: tuple[float, ...] = Field((), description="divided by after that: one number, or one a channel")
    shorter: int = Field(
        0, ge=0, description="shorter side to which a picture is resized before it is cropped; 0: none"
    )
    resample: Literal["nearest", "bilinear", "bicubic"] = Field("bilinear", description="how pictures are resized")
    tokenizer: str = Field("", description="`tokenizer.json` or a folder with a tokenizer; empty: beside the file")
    max_length: int = Field(
        0, ge=0, description="tokens after which a text is cut; 0: by the file, the tokenizer or 512"
    )
    tolerance: float = Field(1e-3, gt=0, description="largest relative difference of the torch twin, else no gradients")
