"""The sections of the report, in their order: a name, a title and one function each."""

from __future__ import annotations

from collections.abc import Callable

from workbench.language import N_
from workbench.report.sections.cases import cases
from workbench.report.sections.change import change
from workbench.report.sections.data import data
from workbench.report.sections.decisions import decisions
from workbench.report.sections.deployed import deployed
from workbench.report.sections.gate import gate
from workbench.report.sections.mistakes import mistakes
from workbench.report.sections.overall import overall
from workbench.report.sections.performance import performance
from workbench.report.sections.provenance import provenance
from workbench.report.sections.purpose import purpose
from workbench.report.sections.regulation import regulation
from workbench.report.sections.shift import shift
from workbench.report.sections.training import training
from workbench.report.sections.verdict import verdict
from workbench.report.sections.weakness import weakness
from workbench.report.shapes import Section
from workbench.report.view import RunView

Build = Callable[[RunView], Section | None]
Entry = tuple[str, str, Build, str]

# id, title, function, why the section is empty where the function gives None
SECTIONS: tuple[Entry, ...] = (
    ("verdict", N_("Verdict"), verdict, ""),
    ("purpose", N_("Purpose and limits"), purpose, ""),
    ("data", N_("Data"), data, N_("data/fingerprint.json is not in this run.")),
    ("training", N_("Training"), training, N_("The model was not customised in this run (no tuned/finetune.json).")),
    (
        "performance",
        N_("Performance"),
        performance,
        N_("The predictions were not evaluated in this run (no metrics.json)."),
    ),
    (
        "decisions",
        N_("Decisions and confidence"),
        decisions,
        N_("Confidence and thresholds were not evaluated in this run (no decisions.json)."),
    ),
    (
        "mistakes",
        N_("Mistakes"),
        mistakes,
        N_("There are no predictions of a test split with known answers in this run."),
    ),
    (
        "weakness",
        N_("Where it fails"),
        weakness,
        N_("Slices and weak areas were not computed in this run (no slices.json)."),
    ),
    (
        "change",
        N_("Before and after"),
        change,
        N_("The two models were not compared in this run (no comparison.json)."),
    ),
    (
        "shift",
        N_("Did it start deciding for other reasons?"),
        shift,
        N_("Explanations were not compared (no explanation_shift.json)."),
    ),
    ("cases", N_("Cases"), cases, N_("No example was explained in this run (no cases.json).")),
    (
        "overall",
        N_("Overall"),
        overall,
        N_("What the model looks at over many examples was not gathered (no global.json)."),
    ),
    (
        "deployed",
        N_("Deployed file"),
        deployed,
        N_("No ONNX file was exported and tested in this run (no onnx/parity.json)."),
    ),
    ("gate", N_("Gate"), gate, N_("No gate has judged this run (no gate.json).")),
    ("regulation", N_("Evidence for regulations"), regulation, ""),
    ("provenance", N_("Provenance"), provenance, ""),
)
