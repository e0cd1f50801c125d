"""What one rule of a gate came to, and the evidence that it may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.errors import NotChecked, WorkbenchError
from workbench.run import Run

ROUNDING = 1e-12  # a bound that misses its limit by less meets it: 0.3 is not 0.1 + 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """A rule with what was asked, what was found and by how much it failed.

    `status` is "passed", "failed" or "not checked" (with a `reason`); `value`, `low`, `high`
    and `limit` are the number, its interval and what it was held against; `by` how far the
    judged bound lies beyond the limit; `where` the file that the number stands in.
    """

    id: str
    asked: str
    found: str
    status: str
    limit: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    by: float | None = None
    where: str = ""
    reason: str = ""


def held(
    name: str,
    asked: str,
    found: str,
    short: float,
    where: str,
    limit: float | None,
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    reason: str = "",
    strict: bool = False,
) -> Outcome:
    """The outcome of a bound: failed where it misses its limit by `short` > 0 (`strict`: or meets it only just)."""
    failed = short >= -ROUNDING if strict else short > ROUNDING
    by = max(float(short), 0.0) if failed else None
    return Outcome(name, asked, found, "failed" if failed else "passed", limit, value, low, high, by, where, reason)


@dataclass
class Evidence:
    """The files of a run that its manifest vouches for, and the comparisons a rule may ask for."""

    run: Run
    compare: Callable[[], dict[str, Any]]  # the run against the reference

    def json(self, name: str) -> Any:
        """A JSON file that is there and in the manifest."""
        if not self.run.has(name):
            raise NotChecked(f"{name} is not in this run", name)
        if name not in self.run.manifest["files"]:
            raise NotChecked(f"{name} is not in the manifest, so nothing vouches for it", name)
        return self.run.read_json(name)

    def comparison(self, against: str) -> tuple[dict[str, Any], str]:
        """The content of comparison.json, or that of the comparison with the reference, and where it stands."""
        of_two_runs = not self.run.has("onnx/model.onnx")  # a folder of `workbench compare` holds no model
        if against == "reference" and not of_two_runs:
            return self.compare(), "computed against the reference"
        return self.json("comparison.json"), "comparison.json"


def guarded(name: str, asked: str, rule: Callable[[], list[Outcome]]) -> list[Outcome]:
    """The outcomes of a rule; what cannot be read is not checked, and says why."""
    try:
        return rule()
    except NotChecked as e:
        return [Outcome(name, asked, "nothing", "not checked", where=e.where, reason=e.message)]
    except WorkbenchError as e:
        return [Outcome(name, asked, "nothing", "not checked", reason=e.message)]
    except (LookupError, TypeError, ValueError) as e:
        reason = f"the file is not what docs/artefacts.md says ({type(e).__name__}: {e})"
        return [Outcome(name, asked, "nothing", "not checked", reason=reason)]
