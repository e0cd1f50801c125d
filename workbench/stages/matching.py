"""What a model's file and the data tell of each other: which columns go in, and which score is which class."""

from __future__ import annotations

from typing import Any

from workbench import registry
from workbench.backbones.contract_inputs import column_of
from workbench.backbones.contract_outputs import choose_output, width_of
from workbench.backbones.contract_ports import after_input
from workbench.backbones.signature import Signature
from workbench.config import Config
from workbench.data.cells import as_value
from workbench.data.sources import load_dataset
from workbench.errors import UsageError
from workbench.stages.own_labels import check_order, spelling
from workbench.types import Column, Dataset


def match(config: Config, signature: Signature) -> Config:
    """The config with columns and class names filled in, where they were not given.

    Raises:
        UsageError: the two do not fit, or fit in several ways.
    """
    task = registry.load("tasks", config.task)
    port = choose_output(signature, task.kind, config.audit)
    if task.kind == "class" and config.data.labels and (how := check_order(config.data.labels, signature)):
        config = _with(config, "audit", {"labels_from": how})
    names, table = task.kind != "value" and not config.data.labels, task.modality_name == "table"
    if not names and not table:
        return config
    categorical = _strings(signature) if table else ()
    draft = config
    if categorical and not config.data.categorical:
        draft = _with(draft, "data", {"categorical": _known(categorical, config, task)})
    dataset = load_dataset(draft, task.modality_name, task.kind)
    if table and not config.data.features:
        draft = _with(draft, "data", {"features": features_of(signature, dataset.columns, config)})
        kept = [n for n in draft.data.categorical if n in draft.data.features]
        draft = _with(draft, "data", {"categorical": kept})
    if names:
        labels, how = labels_of(signature, dataset, width_of(port))
        draft = _with(_with(draft, "data", {"labels": labels}), "audit", {"labels_from": how})
    return draft


def _with(config: Config, section: str, values: dict[str, Any]) -> Config:
    changed = getattr(config, section).model_copy(
        update={k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    )
    return config.model_copy(update={section: changed})


def _strings(signature: Signature) -> tuple[str, ...]:
    """Names of the inputs that take text."""
    return tuple(p.name for p in signature.inputs if p.dtype == "str")


def _known(names: tuple[str, ...], config: Config, task: Any) -> list[str]:
    """The columns of inputs that take text: those named after them, or all where one matrix takes all."""
    dataset = load_dataset(config, task.modality_name, task.kind)
    columns = [c.name for c in dataset.columns]
    found = [column_of(name, columns) for name in names]
    if len(names) == 1 and not found[0]:
        return columns
    return [name for name in found if name]


def features_of(signature: Signature, columns: tuple[Column, ...], config: Config) -> list[str]:
    """The feature columns in the order in which the model takes them.

    Inputs that are named after columns take those. One matrix takes all columns, or all that hold
    numbers where those are as many as it takes.
    """
    names = [c.name for c in columns]
    if config.audit.inputs:
        named = [n for port in signature.inputs for n in config.audit.inputs.get(port.name, ())]
        rest = [column_of(p.name, names) for p in signature.inputs if p.name not in config.audit.inputs]
        return [*dict.fromkeys([*named, *(n for n in rest if n)])]
    if len(signature.inputs) > 1 or column_of(signature.inputs[0].name, names):
        missing = [p for p in signature.inputs if not column_of(p.name, names)]
        if missing:
            raise UsageError(
                f"input {after_input(missing[0])} is named after no column of the data",
                hint=f"say which it takes: --set audit.inputs.{missing[0].name}='[\"COLUMN\"]'; columns: "
                f"{', '.join(names)}",
            )
        return [column_of(p.name, names) for p in signature.inputs]
    port = signature.inputs[0]
    width = port.shape[1] if len(port.shape) > 1 else None
    numbers = [c.name for c in columns if c.kind == "numeric"]
    if width is not None and width != len(names) and width == len(numbers) and port.dtype != "str":
        return numbers
    return names


def labels_of(signature: Signature, dataset: Dataset, width: int | None) -> tuple[list[str], str]:
    """Names of the classes in the order of the model's scores, in the data's spelling, and how they are known.

    Raises:
        UsageError: the file's classes are not the data's, or their number differs.
    """
    there = list(dataset.labels)
    if signature.classes:
        named = [str(c) for c in signature.classes]
        spelled = [spelling(name, there) for name in named]
        if all(label in spelled for label in there):
            return [s or n for s, n in zip(spelled, named, strict=True)], f"from {signature.classes_from}"
        raise _others(named, spelled, there, signature.classes_from)
    single = width == 1 and len(there) == 2
    if width in (None, len(there)) or single:
        return there, "the data's, in their order (numbers by size, else by the alphabet), as the file names none"
    values = [as_value(name) for name in there]
    if all(v is not None and float(v).is_integer() and 0 <= v < (width or 0) for v in values):
        names = [str(k) for k in range(width or 0)]
        return [spelling(n, there) or n for n in names], "the data's numbers, each the place of its score"
    raise UsageError(
        f"the model gives {width} score{'s' * (width != 1)} for an example, and the data have {len(there)} classes: "
        f"{_few(there)}",
        hint=f"name all {width} classes of the model in its order with --labels"
        if (width or 0) > len(there)
        else "give data whose rows are of the classes that the model knows, choose another output with "
        '--preprocess "output=NAME", or give another file',
    )


def _others(named: list[str], spelled: list[str], there: list[str], origin: str) -> UsageError:
    """The file's classes (as the data spell them, "" for none) are not the data's: what can be done."""
    rest = iter([n for n in there if n not in spelled])
    same = ",".join(s or next(rest, "") for s in spelled)
    return UsageError(
        f"the model's classes are {_few(named)} ({origin}), and the data's are {_few(there)}",
        hint="give data whose rows are of the classes that the model knows, or another file"
        if len(there) > len(named)
        else f"name all {len(named)} classes in the model's order, as the data spell them, with --labels"
        if len(there) < len(named)
        else f"if they are the same under other names: --labels {same}; else give data whose rows are of the classes "
        "that the model knows"
        if any(spelled)
        else f"say which is which, in the model's order: --labels {same}",
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
