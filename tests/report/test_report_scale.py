"""The colour scale: uniform to the eye, alike on both sides, apart for colour-blind readers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workbench.report.scale import (
    BLUE,
    DARK_BLUE,
    DARK_ORANGE,
    DARK_PAPER,
    ORANGE,
    PAPER,
    distance,
    lab,
    opacities,
    over,
)

SIDES = [(BLUE, PAPER), (ORANGE, PAPER), (DARK_BLUE, DARK_PAPER), (DARK_ORANGE, DARK_PAPER)]
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear sRGB
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize(
    ("colour", "lightness", "a", "b"), [((255, 255, 255), 100, 0, 0), ((255, 0, 0), 53.24, 80.09, 67.20)]
)
def test_lab_of_known_colours(colour: tuple[int, int, int], lightness: float, a: float, b: float) -> None:
    assert lab(colour) == pytest.approx([lightness, a, b], abs=0.05)


@pytest.mark.parametrize(("colour", "paper"), SIDES)
def test_equal_steps_look_equal(colour: tuple[int, int, int], paper: tuple[int, int, int]) -> None:
    away = [distance(over(colour, a, paper), paper) for a in opacities(colour, paper)]
    steps = np.diff(away)
    assert away[0] == 0 and steps == pytest.approx(np.full(20, away[-1] / 20), rel=0.02)
    assert all(one < two for one, two in pairwise(opacities(colour, paper)))


@pytest.mark.parametrize(("one", "two", "paper"), [(BLUE, ORANGE, PAPER), (DARK_BLUE, DARK_ORANGE, DARK_PAPER)])
def test_no_side_looks_stronger(
    one: tuple[int, int, int], two: tuple[int, int, int], paper: tuple[int, int, int]
) -> None:
    assert lab(one)[0] == pytest.approx(lab(two)[0], abs=1)
    assert np.hypot(*lab(one)[1:]) == pytest.approx(np.hypot(*lab(two)[1:]), abs=1.5)
    assert distance(one, paper) == pytest.approx(
        distance(two, paper), rel=0.03 if paper == PAPER else 0.07
    )  # the dark paper is itself a little blue


@pytest.mark.parametrize("kind", DEFICIENCIES)
@pytest.mark.parametrize(("one", "two"), [(BLUE, ORANGE), (DARK_BLUE, DARK_ORANGE)])
def test_sides_stay_apart_for_colour_blind_readers(
    one: tuple[int, int, int], two: tuple[int, int, int], kind: str
) -> None:
    def seen(colour: tuple[int, int, int]) -> tuple[float, float, float]:
        share = np.asarray(colour) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        found = (np.array(DEFICIENCIES[kind]) @ linear).clip(0, 1)
        red, green, blue = 255 * np.where(found <= 0.0031308, 12.92 * found, 1.055 * found ** (1 / 2.4) - 0.055)
        return float(red), float(green), float(blue)

    assert distance(seen(one), seen(two)) > 40
