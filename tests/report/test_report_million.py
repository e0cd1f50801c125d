"""Many predictions: what they cost is work on whole columns, never row by row.

Seconds differ between machines and with what else runs there, so work is counted instead: calls of Python do not
grow with the predictions, and memory grows by little for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_stages
from sample_run import build_sample

pytestmark = pytest.mark.slow

_BUILD = """
import json, sys
from workbench.report.build import build_report
from workbench.run import Run
build_report(Run.open(sys.argv[1]), max_mb=3)  # imports, and what is read once
calls = 0
def counted(frame, event, argument):
    global calls
    calls += event == "call"
sys.setprofile(counted)
path = build_report(Run.open(sys.argv[2]), max_mb=3)
sys.setprofile(None)
sys.path.insert(0, sys.argv[3])
from memory import peak_bytes
print(json.dumps({"calls": calls, "peak": peak_bytes(), "bytes": path.stat().st_size}))
"""
_TESTS = Path(__file__).parents[1]
_FEW, _MANY = 20_000, 80_000  # test examples; both above what is listed


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, costs = tmp_path_factory.mktemp("million"), {}
    with pytest.MonkeyPatch.context() as patch:
        for name, n in (("few", _FEW), ("many", _MANY)):
            patch.setitem(sample_stages.SIZES, "test", n)
            build_sample(folder / name, "table")
    for name in ("few", "many"):
        command = [sys.executable, "-c", _BUILD, str(folder / "few"), str(folder / name), str(_TESTS)]
        costs[name] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        costs[name]["page"] = (folder / name / "report.html").read_text(encoding="utf-8")
    return costs


def test_nothing_is_done_row_by_row(found: dict[str, Any]) -> None:
    few, many = (found[name]["calls"] for name in ("few", "many"))
    # some 80,000 are of tables that fill up (turned answers, thresholds); one call a row would add 60,000
    assert many - few < 1.5 * (_MANY - _FEW), (few, many)


def test_a_prediction_costs_less_than_a_kilobyte(found: dict[str, Any]) -> None:
    few, many = (found[name]["peak"] for name in ("few", "many"))
    assert many - few < 1000 * (_MANY - _FEW), (few, many)
    assert few < 5e8


def test_the_page_does_not_grow(found: dict[str, Any]) -> None:
    assert found["many"]["bytes"] < 1.2 * found["few"]["bytes"] < 3e6
    page = found["many"]["page"]
    assert "could not be built" not in page and "2,000 of 80,000 predictions are listed" in page
