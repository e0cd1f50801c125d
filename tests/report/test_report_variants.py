"""The tables of variants: what failed says why, what was not measured says so, and nothing is blank."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from workbench.report.shapes import Cell, Fold, Prose, Table
from workbench.report.variants import milliseconds, variant_blocks

FP32 = {"name": "fp32", "file": "onnx/model.onnx", "bytes": 90_000_000, "how": "as exported"}
FP32 |= {"passed": True, "reason": ""}
INT8 = {
    "name": "int8",
    "file": "onnx/variants/int8.onnx",
    "bytes": 23_000_000,
    "how": "dynamic",
    "passed": False,
    "failed": ["quality", "attributions"],
    "reason": "a long one",
    "scores": {"max_error": 0.2, "max_abs": 0.3, "tolerance": None, "passed": None, "n": 300, "agree": 297},
    "quality": {
        "measure": "accuracy",
        "fp32": 0.9,
        "variant": 0.89,
        "nfr": 0.01,
        "passed": False,
        "test": {"underpowered": True},
    },
    "attributions": {"rank_correlation": 0.9, "overlap": 0.6, "n": 4, "passed": False},
}
BF16 = {"name": "bf16", "file": None, "passed": False, "reason": "no weight is large enough to gain from 16 bits"}
OWN = {"load_ms": 210.0, "peak_mb": 180.5, "joules_per_1000": None, "energy_reason": "no meter"}
FEW = {"p99": None, "reason": "p99 needs 100 runs, there were 30", "examples_per_second": 500.0}
TIMES = [{"batch": b, "n": 30, "p50": 2.0 * b, "p95": 3.0 * b, **FEW} for b in (1, 8, 64)]
COST = {"tuned": {"parameters": 22_000_000, "parameter_bytes": 88_000_000, "flops": 1_400_000_000, "reason": ""}}
COST |= {"base": {"parameters": None, "parameter_bytes": None, "flops": None, "reason": "it is no neural network"}}


def blocks(entries: list[dict[str, Any]], latency: dict[str, Any] | None) -> list[Any]:
    files = {"onnx/variants.json": {"variants": entries, "cost": COST}, "onnx/latency.json": latency}
    view: Any = SimpleNamespace(json=files.get)
    return list(variant_blocks(view))


def texts(table: Table) -> str:
    return " | ".join(f"{cell.text} {cell.note}" for row in table.rows for cell in row)


def test_variants_stand_in_one_table_with_what_is_recommended() -> None:
    latency = {"variants": {n: {**OWN, "per_batch": TIMES} for n in ("fp32", "int8")}}
    latency |= {"recommended": "fp32", "why": "No other variant passed every comparison with it."}
    table, speed, cost = blocks([FP32, INT8, BF16], latency)
    assert isinstance(table, Table) and isinstance(speed, Fold) and isinstance(cost, Fold)
    assert table.note.startswith("Recommended: fp32. No other variant passed")
    said = texts(table)
    for words in ("297 of 300", "90.0 % → 89.0 %", "too few examples to show it", "right to wrong: 1.0 %", "0.900",
                  "overlap 0.60", "quality not shown, reasons differ", "no weight", "16.0 ms"):  # fmt: skip
        assert words in said, words
    assert all(cell.text for row in table.rows for cell in row)
    assert all(len(row) == len(table.head) for row in table.rows)
    assert "too few runs" in texts(speed.blocks[0])
    costs = texts(cost.blocks[0])
    for words in ("1.40 billion", "22.0 million", "it is no neural network", "no meter", "210 ms"):
        assert words in costs, words
    assert all(cell.text for row in cost.blocks[0].rows for cell in row)


def test_a_run_that_was_not_timed_says_so() -> None:
    assert blocks([FP32], None) and isinstance(blocks([FP32], None)[0], Fold)
    first, _ = blocks([FP32], {"per_batch": [], "reason": "export.latency_seconds is 0"})
    assert isinstance(first, Prose) and "export.latency_seconds is 0" in first.paragraphs[0]
    empty: Any = SimpleNamespace(json=lambda name: None)
    assert variant_blocks(empty) == []


def test_times_are_in_the_unit_that_reads_best() -> None:
    assert (milliseconds(0.1824), milliseconds(1500)) == ("0.182 ms", "1.50 s")
    assert isinstance(Cell(milliseconds(3)), Cell)
