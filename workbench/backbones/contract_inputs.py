"""How examples go into a foreign file: inferred from its inputs, else asked for by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from workbench.backbones.contract import Feed
from workbench.backbones.contract_own import own_inputs
from workbench.backbones.contract_ports import Inputs, after_input, shape_text
from workbench.backbones.contract_texts import text_inputs
from workbench.backbones.first_arithmetic import SCALING
from workbench.backbones.signature import Port, Signature
from workbench.config_audit import Audit
from workbench.errors import UsageError
from workbench.modalities.image import ImagePreparation
from workbench.modalities.table import TablePreparation
from workbench.types import Column

_FILTERS = {"nearest": 0, "bilinear": 2, "bicubic": 3}


def infer_inputs(
    signature: Signature,
    modality: str,
    wanted: Audit,
    columns: Sequence[Column],
    folder: Path,
    order: Sequence[str] = (),
) -> Inputs:
    """How a modality's examples go into a file.

    Args:
        signature: of the file.
        modality: "image", "text" or "table".
        wanted: what the user says of it.
        columns: the data's feature columns (tables).
        folder: of the file, where a tokenizer may lie.
        order: names of columns in which one matrix takes them; empty: the data's order.

    Raises:
        UsageError: what cannot be inferred, with the words to say it in.
    """
    own = None if _told(wanted) else own_inputs(signature, modality)
    if own is not None:
        return own
    batch = max((p.shape[0] or 0 for p in signature.inputs if p.shape), default=0)
    readers: dict[str, Callable[..., Inputs]] = {
        "image": _picture,
        "text": text_inputs,
        "table": partial(_table, order=order),
    }
    found = readers[modality](signature, wanted, columns, folder)
    said = (*found.said, f"The file takes {batch} example{'s' * (batch > 1)} at a time.") if batch else found.said
    return Inputs(found.feeds, found.preparation, said, batch, found.layout, found.channels)


def _told(wanted: Audit) -> bool:
    """Whether the user says something of the inputs: that goes before what a file says."""
    pictures = (wanted.layout, wanted.channels, wanted.size, wanted.scale, wanted.mean, wanted.std, wanted.shorter)
    return any((*pictures, wanted.inputs, wanted.tokenizer, wanted.max_length))


# -- pictures --------------------------------------------------------------------------


def _picture(signature: Signature, wanted: Audit, columns: Sequence[Column], folder: Path) -> Inputs:
    ports = [p for p in signature.inputs if len(p.shape) in (3, 4) and p.dtype not in ("str", "bool")]
    if len(signature.inputs) != 1 or not ports:
        named = ", ".join(f"{shape_text(p)} {p.dtype}" for p in signature.inputs)
        raise UsageError(
            f"the file takes {named}, not one picture of shape (examples, channels, height, width)",
            hint="name another task with --task, or export the model with one picture as its input",
        )
    (port,) = ports
    layout, how = _layout(port, signature.first[port.name], wanted)
    place = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2), "NHW": (None, 1, 2)}[layout]
    count = 1 if place[0] is None else port.shape[place[0]]
    channels, colours = _channels(count, wanted)
    height, width = (port.shape[i] for i in place[1:])
    given_size = wanted.size * 2 if len(wanted.size) == 1 else wanted.size
    size = tuple(s for s in (given_size or (height, width)) if s is not None)
    if len(size) != 2:
        raise UsageError(
            f"input {after_input(port)} takes pictures of any size",
            hint='say which one the model was trained on: --preprocess "size=224x224"',
        )
    for given, own, what in ((size[0], height, "high"), (size[1], width, "wide")):
        if own is not None and given != own:
            raise UsageError(
                f"size={size[0]}x{size[1]}, but input {after_input(port)} takes pictures {own} pixels {what}",
                hint=f'--preprocess "size={height or size[0]}x{width or size[1]}", or leave it out',
            )
    scale, mean, std, said = _scaling(port, signature, wanted)
    resize = (wanted.shorter,) if wanted.shorter else (int(size[0]), int(size[1]))
    preparation = ImagePreparation(
        int(size[0]), int(size[1]), resize, mean, std, _FILTERS[wanted.resample], scale
    )  # fmt: skip
    cut = f"resized to {wanted.shorter} pixels of the shorter side and cropped" if wanted.shorter else "resized"
    lines = (how, colours, f"Pictures are {cut} to {size[0]} by {size[1]} ({wanted.resample}).", said)
    feed = Feed(port.name, port.dtype, port.shape, ("pixel_values",))
    return Inputs((feed,), preparation, lines, layout=layout, channels=channels)


def _layout(port: Port, first: tuple[str, ...], wanted: Audit) -> tuple[str, str]:
    """NCHW, NHWC or NHW (no channels), and how that is known."""
    if len(port.shape) == 3:
        return "NHW", f"Input {after_input(port)} has no axis of channels."
    inner, last = port.shape[1], port.shape[3]
    if wanted.layout:
        layout = wanted.layout.upper()
        channels = inner if layout == "NCHW" else last
        if channels not in (1, 3, None):
            other = "nhwc" if layout == "NCHW" else "nchw"
            raise UsageError(
                f"layout={wanted.layout}, but input {after_input(port)} would then have {channels} channels",
                hint=f'--preprocess "layout={other}", or leave it out',
            )
        return layout, f"The layout {layout} was given."
    fits = [name for name, size in (("NCHW", inner), ("NHWC", last)) if size in (1, 3)]
    if len(fits) == 1:
        return fits[0], f"The layout {fits[0]} follows from the input's shape: {shape_text(port)}."
    if "Conv" in first:
        layout = "NHWC" if "Transpose" in first[: first.index("Conv")] else "NCHW"
        return layout, f"The layout {layout} follows from how the input reaches the first convolution."
    raise UsageError(
        f"the layout of input {after_input(port)} cannot be told from its sizes",
        hint='--preprocess "layout=nchw" (channels first, as PyTorch) or "layout=nhwc" (last, as TensorFlow)',
    )


def _channels(count: int | None, wanted: Audit) -> tuple[str, str]:
    if count == 1 or wanted.channels == "grey":
        if count not in (1, None) or wanted.channels not in ("", "grey"):
            raise UsageError(
                f"channels={wanted.channels}, but the file takes {count}",
                hint='--preprocess "channels=grey" for one channel, "channels=rgb" or "channels=bgr" for three',
            )
        return "grey", "The file takes one channel: pictures are made grey (0.299 R + 0.587 G + 0.114 B)."
    if count not in (3, None):
        raise UsageError(f"the file takes pictures of {count} channels", hint="one or three can be audited")
    if wanted.channels:
        return wanted.channels, f"The order of the channels, {wanted.channels.upper()}, was given."
    return "rgb", "The order of the channels is taken to be RGB; the file does not say (channels=bgr for the other)."


Three = tuple[float, float, float]


def _scaling(port: Port, signature: Signature, wanted: Audit) -> tuple[float, Three, Three, str]:
    """Factor, mean and deviation of pixels, and how they are known."""
    mean, std = _three(wanted.mean, 0.0, "mean"), _three(wanted.std, 1.0, "std")
    if min(std) <= 0:
        raise UsageError(f"std={std[0]:g}", hint="deviations are over zero")
    if wanted.scale is not None or wanted.mean or wanted.std:
        divisor = wanted.scale or (255.0 if max(mean) <= 1 and max(std) <= 1 else 1.0)
        said = f"Pixels are divided by {divisor:g}"
        if wanted.mean or wanted.std:
            said += f", then less {_numbers(mean)}, over {_numbers(std)}"
        return 1 / divisor, mean, std, f"{said}, as was given."
    if port.dtype in ("uint8", "int32", "int64"):
        return 1.0, mean, std, f"Pixels go in as they are, 0 to 255: the input is of type {port.dtype}."
    arithmetic = signature.arithmetic.get(port.name)
    if arithmetic and arithmetic.range == 1:
        said = f"Pixels are divided by 255: the file scales numbers of 0 to 1 itself ({arithmetic.first} comes first)."
        return 1 / 255, mean, std, said
    first = [name for name in signature.first[port.name] if name not in ("Cast", "Transpose", "Identity")][:1]
    known = arithmetic.range == 255 if arithmetic else bool(first) and first[0] in SCALING
    if known:
        what = arithmetic.first if arithmetic else first[0]
        said = f"Pixels go in as they are, 0 to 255: the file scales them itself ({what} comes first)."
        return 1.0, mean, std, said
    raise UsageError(
        f"{shape_text(port)}: the file does not say how pixels of 0 to 255 become numbers",
        hint='--preprocess "scale=255" (0 to 1), "scale=1" (0 to 255), "scale=127.5 mean=1" (-1 to 1), or '
        '"scale=255 mean=0.485,0.456,0.406 std=0.229,0.224,0.225" (ImageNet): as the model was trained',
    )


def _numbers(values: Three) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else ", ".join(f"{v:g}" for v in values)


def _three(values: tuple[float, ...], default: float, name: str) -> Three:
    if len(values) not in (0, 1, 3):
        raise UsageError(f"{name} has {len(values)} numbers", hint="give one, or one for each of three channels")
    if len(values) == 3:
        return values[0], values[1], values[2]
    one = values[0] if values else default
    return one, one, one


# -- tables -----------------------------------------------------------------------------


def _table(
    signature: Signature, wanted: Audit, columns: Sequence[Column], folder: Path, *, order: Sequence[str]
) -> Inputs:
    ports, names = signature.inputs, [c.name for c in columns]
    place = {name: i for i, name in enumerate(order)}
    names.sort(key=lambda name: place.get(name, len(place)))
    kinds = {c.name: c.kind for c in columns}
    feeds = []
    if len(ports) == 1 and ports[0].name not in wanted.inputs:
        feeds = [_matrix(ports[0], names)]
        said = (f"Input {ports[0].name} takes the columns in this order: {_few(names, 40)}.",)
    else:
        for port in ports:
            own = wanted.inputs.get(port.name) or (column_of(port.name, names),)
            if missing := [n for n in own if n not in names]:
                raise UsageError(
                    f"input {after_input(port)} takes a column that the data do not have: {missing[0] or port.name}",
                    hint=f"--set audit.inputs.{port.name}='[\"COLUMN\"]'; columns: {_few(names)}",
                )
            width = port.shape[1] if len(port.shape) > 1 else 1
            if width not in (None, len(own)):
                raise UsageError(
                    f"input {after_input(port)} takes {width} columns, and it is given {_few(own)}",
                    hint=f'--set audit.inputs.{port.name}=\'["FIRST", "SECOND"]\' names them in their order',
                )
            feeds.append(Feed(port.name, port.dtype, port.shape, tuple(own), len(own) > 1))
        by_name = (f"Each of {len(feeds)} inputs takes its columns by name.",) if len(feeds) > 1 else ()
        several = [f for f in feeds if len(feeds) == 1 or f.matrix]
        said = (*by_name, *(f"Input {f.name} takes the columns in this order: {_few(f.takes, 40)}." for f in several))
    for feed in feeds:
        for name in feed.takes:
            if (feed.dtype == "str") != (kinds[name] == "categorical"):
                what, other = ("text", "numbers") if feed.dtype == "str" else ("numbers", "categories")
                key = "data.categorical" if feed.dtype == "str" else "data.ignore"
                raise UsageError(
                    f"input {feed.name} takes {what}, and column {name!r} holds {other}",
                    hint=f"encode it as the model was trained, or --set {key}='[\"{name}\"]'",
                )
    dtype = "float64" if any(f.dtype in ("float64", "int64", "int32") for f in feeds) else "float32"
    return Inputs(tuple(feeds), TablePreparation(tuple(columns), dtype), said)


def _matrix(port: Port, names: list[str]) -> Feed:
    width = port.shape[1] if len(port.shape) > 1 else None
    if len(port.shape) == 1 and len(names) == 1:
        width = 1
    if width is not None and width != len(names):
        raise UsageError(
            f"input {after_input(port)} takes {width} columns, and the data have {len(names)} beside the target: "
            f"{_few(names)}",
            hint='name them in the order of training: --set \'data.features=["FIRST", "SECOND", ...]\'',
        )
    return Feed(port.name, port.dtype, port.shape, tuple(names), True)


def column_of(name: str, names: Sequence[str]) -> str:
    """The column that an input is named after, spelling of spaces and signs aside; "" where there is none."""
    if name in names:
        return name
    alike = [n for n in names if _plain(n) == _plain(name)]
    return alike[0] if len(alike) == 1 else ""


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _few(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
