"""A signature names every knob."""

from __future__ import annotations

from workbench import __version__
from workbench.metrics.settings import Settings


def test_signature() -> None:
    how = Settings(500, 0.9, 7, "clusters")
    assert how.signature("f1_macro", 40, 2, "bootstrap-bca", average="macro") == (
        "f1_macro|average:macro|n:40|unknown:2|confidence:0.9|interval:bootstrap-bca|resamples:500|drawn:clusters|"
        f"seed:7|workbench:{__version__}"
    )
    assert how.signature("accuracy", 40, 0, "wilson") == (
        f"accuracy|n:40|unknown:0|confidence:0.9|interval:wilson|workbench:{__version__}"
    )
    assert "interval:none" in how.signature("mcc", 1, 0, "")
