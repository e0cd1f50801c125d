"""The table of CONTRIBUTING.md, "Where to add things", tried out: what it names is enough, and what it promises comes.

One tiny thing of each kind is put into a copy of the package, exactly where the table says, and one run is made.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from newcomer import ADDITIONS, CHECKOUT, EXPLAINER, MEASURE, METRIC, SECTION, TASK, copy_with_additions
from opened import opened
from runs import TINY, write_data

from workbench.report.words import number, percent
from workbench.run import Run

ENTRIES = {"tasks": TASK, "explainers": EXPLAINER, "metrics": METRIC}
REFERENCE = "feature-ablation"  # has the same values by another way
# Tests that take what is registered: they hold for a newcomer's things too.
CONTRACTS = (
    *(f"tests/contracts/test_explainers_linear.py::test_linear_models_have_weight_times_distance[{EXPLAINER}-{n}]"
      for n in (64, 256, 1024)),
    "tests/contracts/test_explainers_linear.py::test_every_entry_is_an_explainer_under_its_own_name",
    "tests/contracts/test_docs.py::test_every_entry_loads_and_says_what_it_is",
    *(f"tests/contracts/test_layers.py::test_imports_point_down[{module}]"
      for module in ("metrics.top_1", "quality.largest", "report.sections.duration", "tasks.tabular_screening")),
    "tests/contracts/test_layers.py::test_no_module_imports_itself_in_a_circle",
    "tests/contracts/test_layers.py::test_the_report_knows_neither_tasks_nor_models",
    "tests/metrics/test_catalogue.py::test_every_measure_is_registered_and_every_registered_function_exists",
    "tests/metrics/test_catalogue.py::test_exactly_the_measures_of_the_table_are_computed",
    f"tests/test_cli.py::test_a_starter_config_can_be_read[{TASK}]",
    f"tests/tasks/test_tasks.py::test_a_task_is_what_its_name_says[{TASK}]",
    f"tests/tasks/test_tasks.py::test_the_scalar_is_the_same_for_arrays_and_tensors[{TASK}]",
    "tests/test_readme.py::test_the_readme_has_an_example_for_each_task",
)  # fmt: skip


def rows_of_the_table() -> dict[str, str]:
    """What to do, by what is added."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, table = text.partition("## Where to add things\n\n")
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.partition("\n\n")[0].splitlines()[2:]]
    return {what.strip(): do.strip() for what, do, _free in lines}


def test_the_table_names_every_file_that_is_touched() -> None:
    rows = rows_of_the_table()
    assert rows.keys() == ADDITIONS.keys()
    for what, additions in ADDITIONS.items():
        named = " ".join(re.findall(r"`(.*?)`", rows[what]))
        for touched in additions:
            path = Path(touched.file)
            own = not touched.before and path.suffix == ".py"  # a new file, or the end of one: its room is named
            wanted = f"{path.parent}/" if own else path.name if path.suffix != ".py" else path.stem
            assert wanted in named, f"{what}: nothing is said of {touched.file}"


@dataclass(frozen=True)
class Made:
    """The copy of the package, and a run that was made by it."""

    folder: Path
    run: Run

    def call(self, *words: str) -> str:
        return call(self.folder, *words)

    def page(self) -> str:
        return opened((self.run.path / "report.html").read_text(encoding="utf-8"))


def call(folder: Path, *words: str) -> str:
    """What a command of the copy prints."""
    env = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = copy_with_additions(tmp_path_factory.mktemp("copy"))
    where = call(folder, "-P", "-c", "import workbench; print(workbench.__file__)").strip()
    assert Path(where).is_relative_to(folder)
    config = write_data("classes", folder / "data")
    config.write_text(config.read_text(encoding="utf-8").replace("tabular-classification", TASK), encoding="utf-8")
    settings = (*TINY, f"explain.methods=['{EXPLAINER}', '{REFERENCE}']", f"out={str(folder / 'out')!r}")
    words = [word for setting in settings for word in ("--set", setting)]
    call(folder, "-P", "-m", "workbench.cli", "run", str(config), *words, "--device", "cpu", "--quiet")
    return Made(folder, Run.open(folder / "out" / "classes"))


def rows(page: str, first: str) -> list[list[str]]:
    """The text of the cells of every row of a page that begins with a title."""
    found = []
    for row in re.findall(r"(?s)<tr\b.*?</tr>", page):
        cells = [plain(re.sub(r"<[^>]*>", " ", cell)) for cell in re.findall(r"(?s)<t[hd]\b.*?</t[hd]>", row)]
        if cells and cells[0].startswith(first):
            found.append(cells)
    return found


def plain(text: str) -> str:
    """Text with one plain space where any space stands."""
    return " ".join(html.unescape(text).split())


def pairs_of(quality: dict[str, Any], measure: str) -> list[tuple[float, float]]:
    """A measure of the new explainer's cards, before and after, example by example."""
    before, after = (quality["cases"][model][EXPLAINER] for model in ("base", "onnx"))
    return [tuple(side[name]["measures"][measure] for side in (before, after)) for name in before]


def attributions(run: Run, model: str, explainer: str) -> dict[str, np.ndarray]:
    """The values of a method by example."""
    import pyarrow.parquet as pq

    table = pq.read_table(run.path / model / "attributions" / f"{explainer}.parquet").to_pydict()
    ids = np.array(table["id"])
    return {name: np.array(table["value"])[ids == name] for name in dict.fromkeys(table["id"])}


@pytest.mark.slow
def test_the_command_line_knows_what_was_added(made: Made) -> None:
    for table, name in ENTRIES.items():
        assert name in json.loads(made.call("-P", "-m", "workbench.cli", "list", table, "--json"))


@pytest.mark.slow
def test_the_contract_tests_take_what_was_added(made: Made) -> None:
    said = made.call("-m", "pytest", "-q", "-p", "no:cacheprovider", *CONTRACTS)
    assert re.search(r"^\d+ passed", said, re.M) and "failed" not in said and "skipped" not in said, said


@pytest.mark.slow
def test_a_new_task_runs_from_the_data_to_the_report(made: Made) -> None:
    cases = made.run.read_json("cases.json")["cases"]
    assert {c["question"]["text"] for c in cases} == {"What speaks for yes?"} and len(cases) == 2
    assert all(c["question"]["target"] == 1 and len(c["after"]["top"]) == 1 for c in cases)
    assert made.run.manifest["task"] == TASK
    page = made.page()
    assert "Tabular screening classification" in page and "What speaks for yes?" in page
    assert "could not be built" not in page
    assert "pipeline_tag: tabular-classification" in (made.run.path / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_new_metric_has_an_interval_a_signature_and_its_row(made: Made) -> None:
    shown, nothing = [], 0.0
    for model in ("base", "tuned", "onnx"):
        found: dict[tuple[str, str], dict[str, Any]] = {
            (m["split"], m["name"]): m for m in made.run.read_json(f"{model}/metrics.json")
        }
        for split in ("train", "validation", "test"):
            ours, accuracy = found[split, METRIC], found[split, "accuracy"]
            assert ours["value"] == pytest.approx(1 - accuracy["value"])
            assert ours["baseline"] == pytest.approx(1 - accuracy["baseline"])
            assert ours["low"] <= ours["value"] <= ours["high"] and ours["low"] < ours["high"]
            assert ours["interval"] and ours["better"] == "lower"
            assert ours["signature"].startswith(f"{METRIC}|") and f"n:{accuracy['n']}|" in ours["signature"]
        shown.append(number(found["test", METRIC]["value"]))
        nothing = found["test", METRIC]["baseline"]
    (title, *columns), *_splits = rows(made.page(), "Top-1 error")
    assert title == "Top-1 error lower is better"
    assert [column.partition(" ")[0] for column in columns[:4]] == [*shown, number(nothing, like=1.0)]


@pytest.mark.slow
def test_a_new_explainer_has_its_values_its_gap_and_a_card(made: Made) -> None:
    quality = made.run.read_json("quality.json")
    for model in ("base", "onnx"):
        ours, theirs = (attributions(made.run, model, name) for name in (EXPLAINER, REFERENCE))
        assert ours.keys() == theirs.keys() and len(ours) == 2
        facts = made.run.read_json(f"{model}/attributions/{EXPLAINER}.json")["cases"]
        for name, values in ours.items():
            assert np.abs(values - theirs[name]).max() < 1e-6 and np.abs(values).max() > 0
            case, card = facts[name], quality["cases"][model][EXPLAINER][name]
            assert case["gap"] == pytest.approx(abs(values.sum() - (case["score"] - case["base_score"])))
            assert card["light"] in ("good", "fair", "poor") and card["reasons"]
            assert card["measures"]["relative_gap"] is not None
            assert quality["cases"][model][REFERENCE][name]["measures"]["relative_gap"] is None  # it claims none
    page = made.page()
    gaps = pairs_of(quality, "relative_gap")
    assert {tuple(plain(percent(v, places=0)) for v in pair) for pair in gaps} == {
        tuple(re.sub(" (good|with care|poor)$", "", cell) for cell in row[1:]) for row in rows(page, "Completeness gap")
    }
    assert rows(page, "Leave one out")


@pytest.mark.slow
def test_a_new_quality_measure_stands_beside_the_random_control(made: Made) -> None:
    quality = made.run.read_json("quality.json")
    assert quality["thresholds"][MEASURE]["good"] == 0.5
    for side, model in (("base", "base"), ("after", "onnx")):
        for name, values in attributions(made.run, model, EXPLAINER).items():
            share = np.abs(values).max() / np.abs(values).sum()
            card, control = quality["cases"][model][EXPLAINER][name], quality["controls"][side][name]
            assert card["measures"][MEASURE] == pytest.approx(share)
            assert 1 / 3 <= control["measures"][MEASURE] <= 1 and control["measures"][MEASURE] != pytest.approx(share)
            word = "One leads" if share >= 0.5 else "Few lead"  # of three parts, a quarter always
            assert f"{word} ({share:.0%})." in card["reasons"]
            assert any(re.search(r"^(One leads|Few lead) \(\d+%\)\.$", said) for said in control["reasons"])
    wanted = [
        [f"{plain(percent(v, places=0))} {'good' if v >= 0.5 else 'with care'}" for v in pair]
        for pair in pairs_of(quality, MEASURE)
    ]
    page = made.page()
    shown = [row[1:] for row in rows(page, "Lead of one part")]
    assert all(pair in shown for pair in wanted) and len(shown) == 2 * len(wanted)  # the reference has its own cards
    assert rows(page, "Random values the control")


@pytest.mark.slow
def test_a_new_section_has_its_place_is_redacted_and_says_why_it_is_empty(made: Made, tmp_path: Path) -> None:
    def part(page: str) -> str:
        found = re.search(rf'(?s)<section id="{SECTION}" aria-labelledby="{SECTION}-title">.*?</section>', page)
        assert found and f'<li><a href="#{SECTION}">Duration</a></li>' in page
        return found[0]

    said = part(made.page())
    stages = len(made.run.read_json("timings.json"))
    assert f"{stages} stages were timed." in said and "table.csv" in said
    run = shutil.copytree(made.run.path, tmp_path / "copy")
    made.call("-P", "-m", "workbench.cli", "report", str(run), "--redact", "--quiet")
    said = part((run / "report.html").read_text(encoding="utf-8"))
    assert "table.csv" not in said and re.search(r"The data are #[0-9a-f]{8}\.", said)
    (run / "timings.json").unlink()
    made.call("-P", "-m", "workbench.cli", "report", str(run), "--quiet")
    said = part((run / "report.html").read_text(encoding="utf-8"))
    assert "Not part of this report: No stage was timed (no timings.json)." in said
