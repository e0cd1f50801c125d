"""A run whose files are not those that its stages wrote: found before a page is made, and said on it first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.language import gettext as _
from workbench.report.shapes import Finding, Findings
from workbench.run import ABOUT, ADDED, UNHASHED, Run

_NAMED = 5  # problems that are named


def problems_of(run: Run, say: Callable[[str], None] | None) -> tuple[str, ...]:
    """What is not as the manifest says, said aloud; what is about the run is written anew anyway."""
    if say:
        say("report ...")
    found = tuple(
        p for p in run.verify() if p.split(" ")[0] not in ABOUT and UNHASHED not in p and not p.endswith(ADDED)
    )
    if found and say:
        say(f"  ! {run.path} is not what its manifest says, and the page says so: {'; '.join(found[:_NAMED])}")
    return found


def damaged(problems: Sequence[str]) -> Findings:
    """Nothing below may be relied on."""
    said = "; ".join(problems[:_NAMED])
    more = _("; and {n} more").format(n=len(problems) - _NAMED) if len(problems) > _NAMED else ""
    text = _("{said}{more}. What follows may not be what was computed: run the config again.").format(
        said=said, more=more
    )
    return Findings((Finding("poor", _("This run is not what its manifest says:"), text),))
