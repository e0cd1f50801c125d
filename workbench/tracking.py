"""A run in an MLflow server: its measures with their intervals, its settings, and its report as artefacts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import MissingDependency, StageError, UsageError
from workbench.report.seen import redacted, view_of
from workbench.run import CONFIG, Run

# What goes there of a run; what is missing is passed over.
ARTEFACTS = ("report.html", "compare.html", "report.pdf", "report.json", "model_card.md", "workbench.junit.xml")
# Of a run whose report is redacted not these: they hold paths, ids and the words that were asked about.
_ARTEFACTS_TOO = ("manifest.json", CONFIG)
_LONGEST = 250  # letters of a name that every MLflow store takes
_LONGEST_PARAM, _PARAMS = 500, 100  # letters of a value; parameters in one call
_METRICS = 1000  # in one call
# a server that is not there is said in seconds, not in minutes; stdout is for what was asked
_CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def log_run(run: Run, uri: str, *, experiment: str = "workbench") -> dict[str, str]:
    """Log a finished run to an MLflow server.

    Metrics are the measures by flat names: `test.accuracy` of the deployed model, `tuned.` or `base.` before it of
    the others, `.low` and `.high` for the ends of the interval; parameters are the config's keys; tags name the
    run, its task, its seed and the hash of its manifest. Of a run whose report is redacted nothing goes there that
    the report keeps out: hashes stand in parameters, and neither its config nor its manifest is sent.

    Args:
        run: to be logged.
        uri: of the server ("http://127.0.0.1:5000"), or of a local store ("sqlite:///mlflow.db").
        experiment: its name there; it is made where there is none.

    Returns:
        `experiment`, `id` of the MLflow run, and its `url` ("" for a local store).

    Raises:
        MissingDependency: the MLflow client is not installed.
        UsageError: the address has no scheme.
        StageError: the server cannot be reached, or refuses.
    """
    if not re.match(r"[a-z][a-z0-9+.-]*:", uri):
        raise UsageError(f"--mlflow {uri!r} is no address", hint="write it as http://HOST:PORT, or sqlite:///FILE.db")
    client = _client(uri)
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException

    moment = _moment(run)
    metrics = [Metric(name, value, moment, 0) for name, value in metrics_of(run).items()]
    params = [Param(name, value) for name, value in params_of(run).items()]
    try:
        known = client.get_experiment_by_name(experiment)
        within = known.experiment_id if known else client.create_experiment(experiment)
        made = client.create_run(within, run_name=_name(run), start_time=moment)
        one = made.info.run_id
        try:
            tags = [RunTag(key, value) for key, value in tags_of(run).items()]
            client.log_batch(one, tags=tags)
            for start in range(0, len(metrics), _METRICS):
                client.log_batch(one, metrics=metrics[start : start + _METRICS])
            for start in range(0, len(params), _PARAMS):
                client.log_batch(one, params=params[start : start + _PARAMS])
            for name in (*ARTEFACTS, *(() if redacted(run) else _ARTEFACTS_TOO)):
                if (run.path / name).is_file():
                    client.log_artifact(one, str(run.path / name))
            client.set_terminated(one, "FINISHED")
        except MlflowException:
            client.delete_run(one)  # nothing half-logged stays
            raise
    except (MlflowException, OSError) as e:
        first = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise StageError(
            f"the MLflow server at {uri} did not take the run: {first[:300]}",
            hint="is it running there? mlflow server --host 127.0.0.1 --port 5000 starts one",
        ) from None
    url = f"{uri.rstrip('/')}/#/experiments/{within}/runs/{one}" if uri.startswith("http") else ""
    return {"experiment": experiment, "id": one, "url": url}


def _client(uri: str) -> Any:
    import os

    for name, value in _CLIENT.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise MissingDependency("mlflow-skinny", "report --mlflow", install="'workbench[mlflow]'") from None
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient(tracking_uri=uri)
    except (MlflowException, ImportError) as e:
        raise UsageError(f"--mlflow {uri!r}: {e}", hint="write it as http://HOST:PORT") from None


def _name(run: Run) -> str:
    return str(run.manifest.get("name") or run.path.name)


def _moment(run: Run) -> int:
    """When the run was made, in milliseconds."""
    import datetime

    try:
        return int(datetime.datetime.fromisoformat(str(run.manifest.get("created"))).timestamp() * 1000)
    except ValueError:
        return int(Path(run.path / "manifest.json").stat().st_mtime * 1000)


def tags_of(run: Run) -> dict[str, str]:
    """What names the run: `workbench.run`, its task, seed and kind, the hash of its manifest, verdict and gate."""
    manifest = run.manifest
    found = {
        "workbench.run": _name(run),
        "workbench.task": str(manifest.get("task", "")),
        "workbench.seed": str(manifest.get("seed", "")),
        "workbench.manifest": str(manifest.get("sha256", "")),
        "workbench.kind": str(manifest.get("kind") or "run"),
    }
    if run.has("comparison.json"):
        found["workbench.verdict"] = str(view_of(run).json("comparison.json").get("verdict", ""))
    if run.has("gate.json"):
        found["workbench.gate"] = "passed" if run.read_json("gate.json").get("passed") else "failed"
    return {key: value[:5000] for key, value in found.items() if value}


def params_of(run: Run) -> dict[str, str]:
    """The keys of the config, flat: `finetune.learning_rate`; long values are cut, of a redacted run paths too."""
    config, hidden = view_of(run).config, redacted(run)
    known = ((name, _said(Path(v).name if hidden and _is_path(v) else v)) for name, v in _flat(config, ()))
    return {plain(name): said[:_LONGEST_PARAM] for name, said in known if said}


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _flat(value: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, (*names, str(key)))
    else:
        yield ".".join(names), value


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def metrics_of(run: Run) -> dict[str, float]:
    """Every measure with its interval, flat; those of a class as `test.recall.malignant`; then differences, flips."""
    found: dict[str, float] = {}
    for model in ("onnx", "tuned", "base"):
        name = f"{model}/metrics.json"
        for measure in run.read_json(name) if run.has(name) else ():
            key = f"{'' if model == 'onnx' else f'{model}.'}{measure['split']}.{measure['name']}"
            _add(found, key, measure)
            for label, own in (measure.get("per_class") or {}).items():
                _add(found, f"{key}.{label}", own)
    if run.has("comparison.json"):
        content = run.read_json("comparison.json")
        for measure in content.get("measures") or ():
            _add(found, f"difference.{measure['name']}", {**measure, "value": measure.get("difference")})
        for key in ("nfr", "pfr", "churn"):
            _put(found, f"flips.{key}", (content.get("flips") or {}).get(key))
    return found


def _add(found: dict[str, float], name: str, measure: Mapping[str, Any]) -> None:
    if not _finite(measure.get("value")):
        return
    _put(found, name, measure["value"])
    for end in ("low", "high"):
        _put(found, f"{name}.{end}", measure.get(end))


def _put(found: dict[str, float], name: str, value: Any) -> None:
    if not _finite(value):
        return
    key = plain(name)
    if key in found:  # two labels that differ in letters that MLflow does not take
        key = next(k for i in range(2, len(found) + 3) if (k := f"{key[: _LONGEST - 6]}_{i}") not in found)
    found[key] = float(value)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def plain(name: str) -> str:
    """A name that MLflow takes: letters, digits, `_`, `-`, `.`, spaces and `/` alone, no path, no end in a dot."""
    kept = re.sub(r"[^\w\-. /]", "_", name)
    kept = re.sub(r"/+", "_", kept).strip()
    return re.sub(r"\.{2,}", ".", kept)[:_LONGEST].strip(". ") or "_"
