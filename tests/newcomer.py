"""What a newcomer adds, as CONTRIBUTING.md says where: one tiny thing of each kind, put into a copy of the package."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import workbench

CHECKOUT = Path(workbench.__file__).resolve().parent.parent
FOLDERS = ("workbench", "templates", "fixtures", "tests")
FILES = ("README.md", "pyproject.toml")

TASK, EXPLAINER, METRIC, MEASURE, SECTION = (
    "tabular-screening-classification",
    "leave-one-out",
    "top_1_error",
    "largest_share",
    "duration",
)


@dataclass(frozen=True)
class Touched:
    """A file and the text that it gets: in front of the one place of `before`, or at its end (a new file has none)."""

    file: str
    added: str
    before: str = ""


# By the first column of the table.
ADDITIONS: dict[str, tuple[Touched, ...]] = {
    "a task": (
        Touched(
            "workbench/tasks/tabular_screening.py",
            '''"""Screening: yes or no for a row of a table, and always asked why yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.config import Config
from workbench.modalities import table
from workbench.tasks import classes
from workbench.tasks.record import Task
from workbench.types import ClassScores, Dataset, Question


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """The workbench's own network for tables."""
    from workbench.backbones import tabular

    return tabular.load_tabular(config, dataset, kind="class")


def decode(scores: np.ndarray, facts: Mapping[str, Any]) -> ClassScores:
    """Scores (n, 2) as predictions."""
    return classes.decode(scores, facts)


def question(predictions: ClassScores, row: int) -> Question:
    """What speaks for the second label, whatever was decided."""
    return Question("logit", f"What speaks for {predictions.labels[1]}?", target=1, unit="logit")


def scalar(scores: Any, question: Question) -> Any:
    """The logit of the label that is asked for, or the difference of two."""
    return classes.scalar(scores, question)


def frame(predictions: ClassScores, row: int) -> dict[str, Any]:
    """The answer and its probability."""
    return classes.frame(predictions, row, top=1)


TASK = Task(
    name="tabular-screening-classification",
    title="Screening",
    modality=table,
    kind="class",
    load=load,
    decode=decode,
    question=question,
    scalar=scalar,
    frame=frame,
)
''',
        ),
        Touched(
            "workbench/registry.py",
            '    "tabular-screening-classification": ("workbench.tasks.tabular_screening:TASK", "Yes or no a row."),\n',
            before='    "tabular-regression": (\n',
        ),
        Touched(
            "workbench/report/model_card.py",
            '    "tabular-screening-classification": "tabular-classification",\n',
            before='    "tabular-regression": "tabular-regression",\n',
        ),
        Touched(
            "README.md",
            '\n```toml\n# screening.toml\ntask = "tabular-screening-classification"\n[data]\n'
            'source = "table.csv"\ntarget = "good"\n```\n',
        ),
    ),
    "an explainer": (
        Touched(
            "workbench/explainers/occlusion.py",
            '''

def leave_one_out(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """The answer minus the answer without each part, asked of the model."""
    m = len(probe.features)
    answers = probe.score(np.vstack([np.ones((1, m), dtype=bool), ~np.eye(m, dtype=bool)]))
    return Explanation(answers[0] - answers[1:], evaluations=m + 1)


LEAVE_ONE_OUT = Explainer(
    name="leave-one-out",
    title="Leave one out",
    caption="What the answer loses without a part.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=False,
    explain=leave_one_out,
    complete=True,
)
''',
        ),
        Touched(
            "workbench/registry.py",
            '    "leave-one-out": ("workbench.explainers.occlusion:LEAVE_ONE_OUT", "What a part alone takes away."),\n',
            before='    "occlusion": (\n',
        ),
    ),
    "a metric": (
        Touched(
            "workbench/metrics/top_1.py",
            '''"""Top-1 error: the share of examples that were decided wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.confusion import divide
from workbench.stats import Statistic
from workbench.types import ClassScores


def top_1_error(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Share of examples that were decided wrong."""
    return float(np.mean(np.asarray(targets) != np.asarray(predicted)))


def top_1_statistic(scores: ClassScores) -> Statistic:
    """The same as a function of the weights of rows."""
    wrong = (scores.targets != scores.predicted).astype(np.float64)

    def function(weights: NDArray[np.int32]) -> NDArray[np.float64]:
        return divide(weights @ wrong, weights.sum(axis=1))[:, None]

    return Statistic((("top_1_error",),), function, (MEASURES["top_1_error"].bounds,), (float(len(wrong)),))
''',
        ),
        Touched(
            "workbench/metric_table.py",
            '    "top_1_error": ("workbench.metrics.top_1:top_1_error", "Share of wrong decisions."),\n',
            before='    "balanced_accuracy": (\n',
        ),
        Touched(
            "workbench/metrics/catalogue.py",
            '    "top_1_error": _classification("top_1_error", "Top-1 error", "lower"),\n',
            before='    "balanced_accuracy": _classification(',
        ),
        Touched(
            "workbench/metrics/classification.py",
            "from workbench.metrics.top_1 import top_1_statistic\n",
            before="from workbench.stats import Drawn",
        ),
        Touched(
            "workbench/metrics/classification.py",
            "        top_1_statistic(scores),\n",
            before="        selective_statistic(scores),\n",
        ),
    ),
    "a quality measure": (
        Touched(
            "workbench/quality/largest.py",
            '''"""How much of an explanation is its strongest part."""

from __future__ import annotations

import math

import numpy as np


def largest_share(values: np.ndarray) -> float:
    """The largest size over the sum of sizes, NaN where all are 0."""
    size = np.abs(values)
    return float(size.max() / size.sum()) if size.any() else math.nan
''',
        ),
        Touched(
            "workbench/quality/card.py",
            "from workbench.quality.largest import largest_share\n",
            before="from workbench.quality.thresholds import",
        ),
        Touched(
            "workbench/quality/card.py",
            '    keep("largest_share", largest_share(found.values), none)\n',
            before='    keep("gini", gini(found.values), none)\n',
        ),
        Touched(
            "workbench/quality/thresholds.py",
            '        "largest_share": {"good": 0.5, "fair": 0.25, "better": "higher", "text": "Its lead."},\n',
            before='        "orders_beaten": {\n',
        ),
        Touched(
            "workbench/quality/thresholds.py",
            '        "largest_share": ("One leads ({value:.0%}).", "Few lead ({value:.0%}).", "None leads."),\n',
            before='        "orders_beaten": (\n',
        ),
        Touched(
            "workbench/report/measures.py",
            '    "largest_share": Shown(N_("Lead of one part"), N_("share of the strongest"), "share"),\n',
            before='    "gini": Shown(N_("Concentration")',
        ),
    ),
    "a report section": (
        Touched(
            "workbench/report/sections/duration.py",
            '''"""How long the run took."""

from __future__ import annotations

from workbench.report.shapes import Prose, Section
from workbench.report.view import RunView


def duration(view: RunView) -> Section | None:
    """How many stages were timed, and on which data."""
    found = view.json("timings.json")
    if not found:
        return None
    said = f"The data are {view.config['data']['source']}."
    return Section("duration", "Duration", f"{len(found)} stages were timed.", (Prose((said,)),))
''',
        ),
        Touched(
            "workbench/report/sections/__init__.py",
            "from workbench.report.sections.duration import duration\n",
            before="from workbench.report.sections.gate import gate\n",
        ),
        Touched(
            "workbench/report/sections/__init__.py",
            '    ("duration", N_("Duration"), duration, N_("No stage was timed (no timings.json).")),\n',
            before='    ("gate", N_("Gate"), gate,',
        ),
    ),
}


def copy_with_additions(folder: Path) -> Path:
    """A copy of the checkout in which every addition is made; the folder."""
    for name in FOLDERS:
        shutil.copytree(CHECKOUT / name, folder / name)
    for name in FILES:
        shutil.copy2(CHECKOUT / name, folder / name)
    for touched in (t for additions in ADDITIONS.values() for t in additions):
        path = folder / touched.file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if touched.before:
            assert text.count(touched.before) == 1, f"{touched.file} has no one place {touched.before!r}"
            text = text.replace(touched.before, touched.added + touched.before)
        else:
            text += touched.added
        path.write_text(text, encoding="utf-8")
    return folder
