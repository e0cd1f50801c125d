"""Where a run comes from, and what to expect of it when it is made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workbench.report.sections.provenance import provenance
from workbench.report.shapes import Facts
from workbench.report.view import RunView
from workbench.run import Run


def again(run: Run, device: dict[str, Any], used: list[str]) -> str:
    view = RunView(run)
    view.__dict__["manifest"] = {**view.manifest, "device": device}
    view._read["onnx/providers.json"] = {"used": used}
    (facts,) = (block.facts for block in provenance(view).blocks if isinstance(block, Facts))
    return dict(facts)["Made again"].text


@pytest.mark.parametrize(
    ("device", "used", "expected"),
    [
        ({"torch": "cpu", "text": "no CUDA device was found"}, ["CPUExecutionProvider"], "the same bytes"),
        ({}, [], "the same bytes"),
        ({"torch": "cuda"}, ["CPUExecutionProvider"], "but for their last digits"),
        ({"torch": "cpu"}, ["CUDAExecutionProvider", "CPUExecutionProvider"], "but for their last digits"),
        ({"torch": "cpu"}, ["TensorrtExecutionProvider"], "but for their last digits"),
    ],
)
def test_equal_bytes_are_promised_of_a_processor_alone(
    device: dict[str, Any], used: list[str], expected: str, copied: Callable[[str], Run]
) -> None:
    assert expected in again(copied("image"), device, used)
