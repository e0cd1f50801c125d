"""What a variant must show."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.stages.variant_parity import _must_show, overlap


def test_overlap_counts_the_parts_that_weigh_most() -> None:
    a = np.array([5.0, -4, 3, 0.1, 0.2, 0.3])
    assert overlap(a, a, 3) == 1
    assert overlap(a, np.array([5.0, -4, 0.1, 3, 0.2, 0.3]), 3) == pytest.approx(2 / 4)
    assert overlap(a, -a, 3) == 1  # signs are judged by the ranks
    assert overlap(a[:2], a[:2], 5) == 1


def test_int8_has_to_show_its_quality_and_the_others_only_where_they_could() -> None:
    few, many = {"test": {"underpowered": True}}, {"test": {"underpowered": False}}
    assert _must_show("int8", few) and _must_show("int8", many)
    assert not _must_show("fp16", few) and _must_show("fp16", many)
    assert not _must_show("bf16", {"test": None})
