"""Parts of a picture by name or by their edges, as fractions of its sides."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

Edges = tuple[float, float, float, float]  # left, top, right, bottom

CORNERS: dict[str, Edges] = {
    "top-left": (0.0, 0.0, 0.25, 0.25),
    "top-right": (0.75, 0.0, 1.0, 0.25),
    "bottom-left": (0.0, 0.75, 0.25, 1.0),
    "bottom-right": (0.75, 0.75, 1.0, 1.0),
    "centre": (0.25, 0.25, 0.75, 0.75),
}


def check_region(region: str | Edges) -> str | Edges:
    """The region itself; a `ValueError` where it is neither a known name nor edges within the picture."""
    if isinstance(region, str):
        if region not in CORNERS:
            raise ValueError(f"{region!r} is no place; allowed are {', '.join(CORNERS)}")
    elif not (0 <= region[0] < region[2] <= 1 and 0 <= region[1] < region[3] <= 1):
        raise ValueError(f"{list(region)} is not [left, top, right, bottom] within 0 and 1")
    return region


Region = Annotated[str | Edges, AfterValidator(check_region)]


def edges_of(region: str | Edges) -> Edges:
    """Left, top, right and bottom of a named or drawn region."""
    return CORNERS[region] if isinstance(region, str) else region


def region_name(region: str | Edges) -> str:
    """A region in words: `bottom-right corner`, `region 0.8, 0.8, 1, 1`."""
    if isinstance(region, str):
        return "centre" if region == "centre" else f"{region} corner"
    return f"region {', '.join(f'{edge:g}' for edge in region)}"
