"""Energy from counters that a test writes: joules per 1,000 predictions, wrap-around, and why there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.backbones import energy


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One processor's counter, and one of a part of it that must not be counted twice."""
    monkeypatch.setattr(energy, "_card", lambda: None)
    monkeypatch.setattr(energy, "_SECONDS", 0)
    for name in ("intel-rapl:0", "intel-rapl:0:0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text("1000\n")
        (tmp_path / name / "max_energy_range_uj").write_text("5000000\n")
    return tmp_path / "intel-rapl:0" / "energy_uj"


def test_joules_per_1000_predictions(zone: Path) -> None:
    meter = energy.Meter(zone.parent.parent)
    found = meter.per_1000(lambda: zone.write_text("2001000"), 8)  # two joules for 8 predictions
    assert found == {"joules_per_1000": 250, "energy_reason": ""}
    assert meter.between(([4_000_000], 0), ([1_000_000], 0)) == pytest.approx(2)  # the counter began anew


def test_a_machine_without_a_meter_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_card", lambda: None)
    found = energy.Meter(tmp_path).per_1000(lambda: None, 8)
    assert found["joules_per_1000"] is None and "no meter" in found["energy_reason"]
    monkeypatch.setattr(energy, "_card", lambda: lambda: 1500)
    assert energy.Meter(tmp_path).between(([], 1000), ([], 1500)) == pytest.approx(0.5)
