"""What the readers of a run's page may see of it: all of it, or nothing that its redaction keeps out."""

from __future__ import annotations

from workbench.report.redaction import RedactedView
from workbench.report.view import RunView
from workbench.run import Run


def redacted(run: Run) -> bool:
    """Whether the page of a run keeps raw inputs out, as its manifest says."""
    manifest = run.manifest
    return bool(manifest.get("redacted") or manifest["stages"].get("report", {}).get("redacted"))


def view_of(run: Run) -> RunView:
    """A run as the readers of its page may see it."""
    return (RedactedView if redacted(run) else RunView)(run)
