"""What was found out about a file's inputs, and how an input is written in messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.backbones.contract import Feed
from workbench.backbones.signature import Port


@dataclass(frozen=True)
class Inputs:
    """What was found out about a file's inputs."""

    feeds: tuple[Feed, ...]
    preparation: Any
    said: tuple[str, ...]
    batch: int = 0
    layout: str = ""
    channels: str = ""


def shape_text(port: Port) -> str:
    """An input or output with its sizes: `X (any, 8)`."""
    return f"{port.name} ({', '.join('any' if s is None else str(s) for s in port.shape)})"


def after_input(port: Port) -> str:
    """As `shape_text`, behind the word "input": an input of that very name is not named twice."""
    text = shape_text(port)
    return text.removeprefix(f"{port.name} ") if port.name.lower() == "input" else text
