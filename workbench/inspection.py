"""One prediction from a run to its page: what the command line and Python share."""

from __future__ import annotations

import contextlib
import importlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from workbench.engines.progress import Progress
from workbench.run import Run, digest, hash_file


def inspect_one(
    path: str | Path,
    *,
    id: str = "",
    input: Any = None,
    before: bool | None = None,
    out: str | Path | None = None,
    lang: str = "",
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Explain one prediction of a run: every method, its quality, and what would turn it.

    Writes `inspect.html` and `inspect.json` (docs/artefacts.md).

    Args:
        path: the run.
        id: of an example of the run's data; or
        input: a new one: a text, a picture's file or (H, W, 3) uint8 array, a row as mapping, JSON or file.
        before: whether the model before customisation is explained too; None: unless it is a text,
            which would take as long again. An example that the run explained has both.
        out: folder of the two files; None: `inspect/<id>` in the run, of a file with a part of its hash.
        lang: of the page, such as `zh-CN`; empty: what the run's config says.
        device: "auto", "cpu" or "cuda".

    Returns:
        The document, with `page` and `document`, the paths of the two files.
    """
    with _loading(Path(path), device, input is not None) as ahead:
        from workbench.stages.inspect import inspect

        asked: dict[str, Any] = {"id": id, "value": input, "before": before, "device": device, "progress": progress}
        with tempfile.TemporaryDirectory(prefix="workbench-inspect-") as folder:
            found = inspect(path, folder, **asked, ahead=ahead, meanwhile=_import_report)
            from workbench.report.inspect import DOCUMENT, PAGE, write_inspection

            name = Run.open(path).manifest.get("name", Path(path).name)
            where = Path(path) / "inspect" / _folder_name(found.id, input) if out is None else Path(out)
            document = write_inspection(found.run, found.id, where, name=str(name), lang=lang)
    return {"page": str(where / PAGE), "document": str(where / DOCUMENT), **document}


@contextlib.contextmanager
def _loading(run: Path, device: str, wanted: bool) -> Iterator[Future[Any] | None]:
    """The run's deployed file, on its way while half a second of imports goes on; None where it is not wanted."""
    if not wanted:
        yield None
        return
    from workbench.backbones.ahead import load_ahead

    with ThreadPoolExecutor(1) as pool:  # ended here: an error that is printed while it loads would not be seen
        yield load_ahead(run, device, pool)


def _import_report() -> None:
    """A second of imports that need one core, while the model computes, in the order of their use."""
    for name in ("workbench.explainers.shap", "pandas"):
        importlib.import_module(name)
    importlib.import_module("workbench.report.inspect").prepare()


def _folder_name(id: str, input: Any = None) -> str:
    """An id as the name of a folder; where letters had to go, a part of its hash tells ids apart.

    A file is called by its name, which others may have: a part of its own hash tells them apart.
    """
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in id).strip(".-")[:60]
    own = digest(id)[:8] if plain != id else ""
    with contextlib.suppress(OSError, ValueError, TypeError):  # a text, a row or pixels: called by its content
        own = hash_file(Path(input))[:8]
    return f"{plain or 'example'}-{own}" if own else plain
