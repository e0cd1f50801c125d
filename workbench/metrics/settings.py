"""How intervals are made, and the signature that names every knob of a number."""

from __future__ import annotations

from dataclasses import dataclass

from workbench import __version__


@dataclass(frozen=True, slots=True)
class Settings:
    """Resamples, confidence and seed of an evaluation, and how resamples are drawn."""

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0
    drawn: str = "rows"  # "rows", "rows within true class" or "clusters"

    def signature(self, name: str, n: int, unknown: int, interval: str, **knobs: object) -> str:
        """One line that names every knob, e.g. `f1_macro|average:macro|n:360|...`."""
        parts = [name, *(f"{knob}:{value}" for knob, value in knobs.items())]
        parts += [f"n:{n}", f"unknown:{unknown}", f"confidence:{self.confidence:g}", f"interval:{interval or 'none'}"]
        if interval.startswith("jackknife"):
            parts.append(f"left_out:one of {self.drawn}")
        if interval.startswith("bootstrap"):
            parts += [f"resamples:{self.resamples}", f"drawn:{self.drawn}", f"seed:{self.seed}"]
        return "|".join([*parts, f"workbench:{__version__}"])
