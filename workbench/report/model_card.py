"""model_card.md: a model card (Mitchell et al. 2019) with the metadata that Hugging Face reads.

The front matter follows the hub's `model-index` schema, so a hub shows the results with it.
"""

from __future__ import annotations

from typing import Any

import yaml

from workbench.markup import markdown_text
from workbench.report.view import RunView
from workbench.report.words import interval_name, measure_name
from workbench.types import Measure

NAME = "model_card.md"
_TAGS = {
    "image-classification": "image-classification",
    "image-multilabel": "image-classification",
    "text-classification": "text-classification",
    "text-multilabel": "text-classification",
    "tabular-classification": "tabular-classification",
    "tabular-multilabel": "tabular-classification",
    "tabular-regression": "tabular-regression",
}
_SHIPPED = {"onnx": "the exported ONNX file", "tuned": "the customised model", "base": "the model before"}
_NOT_SAID = "Not stated by whoever made the run."


def model_card(view: RunView) -> str:
    """The card as Markdown: what only a person can say from `[card]`, the rest as measured."""
    card = view.config.get("card", {})
    shipped = view.shipped
    measures = list(view.measures(shipped).values()) if shipped else []
    parts = [
        f"---\n{yaml.safe_dump(_metadata(view, measures), allow_unicode=True, sort_keys=False)}---",
        f"# {markdown_text(view.title)}",
        f"{markdown_text(view.question)} This card was written by workbench from the run "
        f"`{markdown_text(view.name)}`; every number in it was measured on {_SHIPPED.get(view.shipped, 'no model')}.",
        _section("Intended use", card.get("purpose")),
        _section("Out-of-scope use and limits", card.get("limits")),
        _section("Users", card.get("users")),
        _section("Who answers for it", card.get("owner")),
        _data(view),
        _results(view, measures),
        _checked(view),
        _use(view),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(view: RunView, measures: list[Measure]) -> dict[str, Any]:
    licence = view.config.get("card", {}).get("licence")
    task = _TAGS.get(view.task, view.task)
    found: dict[str, Any] = {"license": licence} if licence else {}
    backbone = (view.finetune.get("backbone") or {}).get("source")
    if backbone and ":" not in str(backbone) and str(backbone).count("/") == 1:  # a hub id, not a path of this machine
        found["base_model"] = backbone
    results = [
        {"type": m.name, "name": measure_name(m.name).title, "value": m.value, "verified": False}
        for m in measures
        if m.value is not None and not m.name.startswith("baseline")
    ]
    name = str(view.fingerprint.get("name") or "the run's data")
    found |= {
        "library_name": "onnx",
        "pipeline_tag": task,
        "tags": ["workbench", "onnx"],
        "model-index": [
            {
                "name": view.name,
                "results": [
                    {
                        "task": {"type": task},
                        "dataset": {"name": name, "type": name, "split": "test"},
                        "metrics": results,
                    }
                ],
            }
        ],
    }
    return found


def _section(title: str, text: Any) -> str:
    return f"## {title}\n\n{_prose(str(text)) if text else _NOT_SAID}"


def _data(view: RunView) -> str:
    print_ = view.fingerprint
    lines = [f"- {split}: {n:,} examples" for split, n in (print_.get("splits") or {}).items()]
    if print_.get("split_method"):
        lines.append(f"- How it was split: {markdown_text(str(print_['split_method']))}")
    if print_.get("sha256"):
        lines.append(f"- SHA-256 of the examples: `{print_['sha256']}`")
    lines += [f"- {markdown_text(str(note))}" for note in print_.get("notes", [])]
    return "## Data\n\n" + "\n".join(lines) if lines else ""


def _results(view: RunView, measures: list[Measure]) -> str:
    if not measures:
        return "## Results\n\nThe model was not evaluated."
    sure = f"{100 * float(view.config.get('evaluate', {}).get('confidence', 0.95)):g} % interval"
    rows = [f"| Measure | Value | {sure} | n | How |", "|---|---:|---:|---:|---|"]
    for m in measures:
        title = markdown_text(measure_name(m.name).title)
        if m.value is None:
            rows.append(f"| {title} | not computed: {markdown_text(m.reason)} | – | {m.n:,} | – |")
            continue
        unit = f" {markdown_text(m.unit)}" if m.unit else ""
        bounds = f"{m.low:.4g} to {m.high:.4g}" if m.low is not None and m.high is not None else "none"
        how = markdown_text(interval_name(m.interval) if m.interval else "no interval")
        rows.append(f"| {title} | {m.value:.4g}{unit} | {bounds} | {m.n:,} | {how} |")
    return "## Results on the test split\n\n" + "\n".join(rows)


def _checked(view: RunView) -> str:
    lines = [f"- {markdown_text(str(c['sentence']))}" for c in view.checks or [] if c.get("level") == "warning"]
    verdict = view.comparison.get("verdict")
    if verdict:
        lines.insert(0, f"- Before against after: {markdown_text(str(verdict))}")
    return "## What to know\n\n" + "\n".join(lines) if lines else ""


def _use(view: RunView) -> str:
    if not view.run.has("onnx/model.onnx"):
        return ""
    return (
        "## How to use it\n\n`workbench predict RUN --input FILE` reads new data and asks the deployed file, "
        "`onnx/model.onnx`; the file holds how its inputs are prepared and the names of its outputs."
    )


def _prose(text: str) -> str:
    return "\n\n".join(markdown_text(part) for part in text.split("\n\n") if part.strip())
