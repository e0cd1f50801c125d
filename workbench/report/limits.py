"""How much a report holds, and what is left out, step by step, until it fits its size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a report holds at most: pixels a side, dense maps, explained cases, listed predictions."""

    picture: int = 224
    dense: bool = True
    cases: int = 200
    listed: int = 2000


STEPS = (
    Limits(),
    Limits(picture=160),
    Limits(picture=128, dense=False),
    Limits(picture=96, dense=False),
    Limits(picture=96, dense=False, cases=100),
    Limits(picture=96, dense=False, cases=50, listed=1000),
    Limits(picture=96, dense=False, cases=24, listed=1000),
    Limits(picture=96, dense=False, cases=12, listed=500),
    Limits(picture=64, dense=False, cases=6, listed=500),
    Limits(picture=64, dense=False, cases=2, listed=200),
    Limits(picture=64, dense=False, cases=0, listed=100),
)
