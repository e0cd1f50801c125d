"""What a report says to machines: its numbers, a model card and its checks, beside the page."""

from __future__ import annotations

import json

from workbench.report import junit, model_card, numbers
from workbench.report.view import RunView

FILES = (numbers.NAME, model_card.NAME, junit.NAME)


def write_for_machines(view: RunView) -> None:
    """Write report.json, model_card.md and workbench.junit.xml of the run behind a page.

    Args:
        view: from which the page was drawn: the parts that could not be built are known to it.
    """
    run = view.run
    content = json.dumps(numbers.report_json(view), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    run.write_bytes(numbers.NAME, content.encode() + b"\n")
    run.write_bytes(model_card.NAME, model_card.model_card(view).encode())
    run.write_bytes(junit.NAME, junit.junit_xml(view))
