"""Which exporter's file is kept: the canonical one unless another is clearly faster."""

from __future__ import annotations

from workbench.stages.candidates import ranked


def test_only_a_clear_margin_moves_away_from_the_canonical_file() -> None:
    assert ranked({"dynamo": 1.0, "dynamo-23": 0.9, "fused-17": 0.86}, "dynamo", 0.15) == ["dynamo"]
    assert ranked({"dynamo": 1.0, "dynamo-23": 0.8, "fused-17": 0.5}, "dynamo", 0.15) == [
        "fused-17",
        "dynamo-23",
        "dynamo",
    ]
    assert ranked({"dynamo": 1.0, "b": 0.5, "a": 0.5}, "dynamo", 0.15) == ["a", "b", "dynamo"]  # ties by name
    assert ranked({"b": 2.0, "a": 1.0}, "dynamo", 0.15) == ["a", "b"]  # the canonical one could not be written
