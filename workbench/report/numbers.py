"""report.json: every number that a run holds about its model, with its signature and its address.

An address is a file of the run and a JSON pointer (RFC 6901) into it: `onnx/metrics.json#/3`.
Whoever doubts a number looks it up there; `workbench verify` does so for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workbench.errors import ArtefactError
from workbench.report.redaction import RedactedView
from workbench.report.view import RunView
from workbench.run import Run, hash_file

NAME = "report.json"
SCHEMA = 1
# What the report shows, in its order; cases and previews hold inputs, not results.
SOURCES = (
    "data/fingerprint.json",
    "data/checks.json",
    "tuned/finetune.json",
    *(f"{model}/{name}.json" for model in ("base", "tuned", "onnx") for name in ("metrics", "decisions")),
    "slices.json",
    "weakness.json",
    "comparison.json",
    "explanation_shift.json",
    "quality.json",
    "global.json",
    "onnx/parity.json",
    "onnx/variants.json",
    "onnx/cost.json",
)
_NUMBERS = {"value", "low", "high", "n"}
_KNOWN = ("value", "low", "high", "n", "interval", "unit", "reason")


def report_json(view: RunView) -> dict[str, Any]:
    """The content of report.json.

    Returns:
        `schema`, `run`, `task`, `redacted` (where inputs are), `files` {file: sha256 of each source},
        `damaged` {file: why it could not be read}, `numbers` [{address, name, value, and where
        they are known low, high, n, interval, unit, reason, signature, split}]: `value` is null
        where it could not be computed, with its `reason`; `name` says what the number belongs to
        ("recall.per_class.malignant").
    """
    run, manifest = view.run, view.manifest
    sources = [name for name in SOURCES if run.has(name)]
    numbers, damaged = [], {}
    for name in sources:
        try:
            numbers += list(_walk(view.json(name), f"{name}#", (), {}))
        except ArtefactError as e:
            damaged[name] = e.message
    return {
        "schema": SCHEMA,
        "run": str(manifest.get("name") or run.path.name),
        "task": str(manifest.get("task", "")),
        **({"redacted": True} if view.redacted else {}),
        "files": {name: hash_file(run.path / name) for name in sources},
        "damaged": damaged,
        "numbers": numbers,
    }


def _walk(value: Any, address: str, names: tuple[str, ...], known: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Every number below a value.

    Args:
        names: what it belongs to: keys, and the own names of what stands in lists.
        known: the signature and the split of what it belongs to.
    """
    if isinstance(value, Mapping):
        known = {**known, **{k: value[k] for k in ("signature", "split") if isinstance(value.get(k), str)}}
        rest = dict(value)
        if "value" in value and (value["value"] is None or _is_number(value["value"])):
            yield {"address": f"{address}/value", "name": ".".join(names), **_facts(value), **known}
            rest = {k: v for k, v in value.items() if k not in _KNOWN}
        for key, inner in rest.items():
            path = f"{address}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield from _walk(inner, path, (*names, str(key)), known)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            own = (inner.get("name") or inner.get("label")) if isinstance(inner, Mapping) else None
            yield from _walk(inner, f"{address}/{place}", (*names, str(own)) if own else names, known)
    elif _is_number(value):
        yield {"address": address, "name": ".".join(names), "value": value, **known}


def _facts(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: value[k] for k in _KNOWN if k in value and not isinstance(value[k], Mapping | list)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_numbers(run: Run) -> list[str]:
    """Where report.json says another number than the file at its address; empty where nowhere."""
    if not run.has(NAME):
        return []
    said = run.read_json(NAME)
    problems = []
    try:
        view = (RedactedView if said.get("redacted") else RunView)(run)
        for entry in said["numbers"]:
            file, pointer = entry["address"].split("#", 1)
            if file not in SOURCES:
                raise ValueError(f"{file} is no source of numbers")
            source = view.json(file)
            now = {"value": _resolve(source, pointer)}
            if pointer.endswith("/value"):  # of a measure: with its interval and its count
                now |= _facts(_resolve(source, pointer.removesuffix("/value")))
            for key in sorted((_NUMBERS & {*now, *entry}), key=_KNOWN.index):
                if now.get(key) != entry.get(key):
                    what = "" if key == "value" else f"{key} "
                    problems.append(
                        f"{NAME} says {what}{entry.get(key)} of {entry['name']}, {entry['address']} says {now.get(key)}"
                    )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArtefactError) as e:
        problems.append(f"{NAME} cannot be followed: {type(e).__name__} {e}")
    return problems


def _resolve(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
