"""Energy of predictions, where the machine has a meter: RAPL for processors, NVML for NVIDIA cards."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
_SECONDS = 0.5  # of running: counters of energy are coarse


class Meter:
    """Counters of energy that this process may read; `reason` says why there are none."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._packages: list[tuple[Path, int]] = []
        self.reason = ""
        zones = sorted(powercap.glob("intel-rapl:[0-9]*")) if powercap.is_dir() else []
        zones = [z for z in zones if z.name.count(":") == 1]  # packages, not the parts of one
        for zone in zones:
            try:
                (zone / "energy_uj").read_text(encoding="ascii")
                self._packages.append((zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())))
            except (OSError, ValueError):
                self.reason = f"{zone / 'energy_uj'} may not be read (it needs root)"
        self._card = _card()
        if not self._packages and not self._card and not self.reason:
            self.reason = "no meter (RAPL or NVML) can be read"

    def read(self) -> tuple[list[int], int]:
        """The counters now: microjoules of each processor, millijoules of the card."""
        card = self._card() if self._card else 0
        return [int(path.read_text(encoding="ascii")) for path, _ in self._packages], card

    def between(self, before: tuple[list[int], int], after: tuple[list[int], int]) -> float:
        """Joules from one reading to the next; a counter may have begun anew once."""
        joules = (after[1] - before[1]) / 1e3
        for (_, most), old, new in zip(self._packages, before[0], after[0], strict=True):
            joules += (new - old if new >= old else new + most - old) / 1e6
        return joules

    def per_1000(self, run: Callable[[], Any], examples: int) -> dict[str, Any]:
        """Joules per 1,000 predictions of the whole machine while `run` predicts, or why that is not known.

        Args:
            run: predicts once.
            examples: how many it predicts.
        """
        if not self._packages and not self._card:
            return {"joules_per_1000": None, "energy_reason": self.reason}
        before, begun, count = self.read(), time.perf_counter(), 0
        while not count or time.perf_counter() - begun < _SECONDS:
            run()
            count += examples
        return {"joules_per_1000": round(1000 * self.between(before, self.read()) / count, 4), "energy_reason": ""}


def _card() -> Callable[[], int] | None:
    """Reads the first NVIDIA card's counter of millijoules; None where there is none."""
    with contextlib.suppress(OSError):
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        handle, energy = ctypes.c_void_p(), ctypes.c_ulonglong()
        if nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0:

            def read() -> int:
                nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy))
                return int(energy.value)

            if nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy)) == 0:
                return read
    return None
