"""The report on paper: its page printed through Chromium, everything open, with contents that name pages.

What is printed is `report.html` itself. It is laid out twice: the pages on which its sections begin are read from
the first print and written into the contents of the second.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from workbench.assets import asset
from workbench.chromium import Tab, open_tab
from workbench.errors import StageError
from workbench.run import write_atomically

_WIDTH = 680  # pixels of the page's text: A4 without its margins
_MARGINS = {"marginTop": 0.7, "marginBottom": 0.75, "marginLeft": 0.59, "marginRight": 0.59}  # inches
_SMALL = "font:7.5pt system-ui,sans-serif;color:#56606b;width:100%;padding:0 15mm;display:flex;gap:8mm"
_FOOT = (
    f'<div style="{_SMALL}"><span class="title" style="flex:1;overflow:hidden;white-space:nowrap;'
    'text-overflow:ellipsis"></span><span><span class="pageNumber"></span> / <span class="totalPages"></span></span>'
    "</div>"
)
_STANDS = (
    "!document.querySelector('figure.chart:not([data-state=drawn]):not([data-state=failed])')"
    " && !document.querySelector('.casebook:not([data-state=ready])')"
)


def print_page(page: Path, out: Path, *, made: str = "") -> Path:
    """Print a finished page of the report as PDF.

    Args:
        page: the HTML file.
        out: the PDF file, written atomically.
        made: ISO 8601 time that the PDF gives as its own, so that equal pages give equal bytes; "": now.

    Raises:
        MissingProgram: there is no Chromium here.
        StageError: it fails.
    """
    with open_tab() as tab:
        _open(tab, page)
        printed = _print(tab)
        tab.value(f"paper.number({json.dumps(section_pages(printed))})")
        printed = _print(tab)
    if not printed.startswith(b"%PDF-"):
        raise StageError(f"Chromium printed {page} as something that is no PDF", hint="print it in a browser")
    write_atomically(out, _dated(printed, made))
    return out


def _open(tab: Tab, page: Path) -> None:
    """Load the page as it will lie on paper: charts are drawn as wide as they will stand there."""
    tab.ask("Page.enable")
    media = [{"name": "prefers-color-scheme", "value": "light"}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    tab.ask("Emulation.setEmulatedMedia", media="print", features=media)
    size = {"width": _WIDTH, "height": 980, "deviceScaleFactor": 1, "mobile": False}
    tab.ask("Emulation.setDeviceMetricsOverride", **size)
    script = asset("templates", "paper.js").read_text(encoding="utf-8")
    tab.ask("Page.addScriptToEvaluateOnNewDocument", source=script)
    failed = tab.ask("Page.navigate", url=page.resolve().as_uri()).get("errorText")
    if failed:
        raise StageError(f"Chromium cannot open {page}: {failed}", hint="workbench report writes it anew")
    tab.until(f"document.readyState === 'complete' && {_STANDS}")


def _print(tab: Tab) -> bytes:
    return tab.pdf(
        paperWidth=8.27,
        paperHeight=11.69,
        **_MARGINS,
        printBackground=True,
        displayHeaderFooter=True,
        headerTemplate="<span></span>",
        footerTemplate=_FOOT,
        generateTaggedPDF=True,
        generateDocumentOutline=True,
    )


def section_pages(pdf: bytes) -> dict[str, int]:
    """The page, from 1, of every place that a link of a printed page leads to.

    Chromium's PDF has its objects in plain text: pages in the order of /Kids, places as a dictionary /Dests.
    A PDF that is written otherwise gives nothing, and the contents then have links alone.
    """
    objects = {int(m[1]): m[2] for m in re.finditer(rb"(?s)(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", pdf)}
    root = next((text for text in objects.values() if b"/Type /Catalog" in text), b"")
    pages, places = re.search(rb"/Pages (\d+) 0 R", root), re.search(rb"/Dests (\d+) 0 R", root)
    if not pages or not places:
        return {}
    order = {number: i + 1 for i, number in enumerate(_leaves(objects, int(pages[1])))}
    found = {}
    for name, page in re.findall(rb"/([^\s/\[\]]+) \[(\d+) 0 R", objects.get(int(places[1]), b"")):
        if int(page) in order:
            found[_name(name)] = order[int(page)]
    return found


def _leaves(objects: dict[int, bytes], node: int) -> list[int]:
    kids = re.search(rb"/Kids \[([^\]]*)\]", objects.get(node, b""))
    if not kids:
        return [node]
    return [leaf for kid in re.findall(rb"(\d+) 0 R", kids[1]) for leaf in _leaves(objects, int(kid))]


def _name(name: bytes) -> str:
    """A name of a PDF, in which odd characters stand as #xx."""
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), name).decode("utf-8", "replace")


def _dated(pdf: bytes, made: str) -> bytes:
    """The PDF with another date; it is as long, so that the places of its objects stay."""
    digits = re.sub(r"\D", "", made)[:14]
    if len(digits) < 14:
        return pdf
    return re.sub(rb"/(CreationDate|ModDate) \(D:\d{14}", lambda m: b"/%b (D:%b" % (m[1], digits.encode()), pdf)
