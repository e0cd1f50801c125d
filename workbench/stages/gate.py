"""Gate: does a run hold what a policy asks? First its files are checked, then every rule."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.config import read_resolved
from workbench.errors import NotChecked
from workbench.metrics.paired import compare as compare_predictions
from workbench.policy import PolicyFile, read_policy
from workbench.records import finite, read_predictions
from workbench.run import ABOUT, ADDED, CONFIG, Run, digest, hash_file
from workbench.stages.gate_rules import check
from workbench.stages.outcome import Evidence, Outcome

NAME = "gate.json"


def gate(run: str | Path, policy: str | Path, *, reference: str | Path | None = None) -> dict[str, Any]:
    """Judge a run, or a comparison of two, by a policy; write and return `gate.json` (docs/artefacts.md).

    Every file is compared with its hash in the manifest first: a changed or missing one fails
    the gate whatever the rules say. `passed` is true where no rule failed; a rule whose
    evidence is missing fails unless the policy has `allow_missing`.

    Args:
        run: the directory of a run, or one that `compare` wrote.
        policy: a TOML file; `workbench init policy` writes one.
        reference: the directory of an earlier run, for the rules with `against = "reference"`:
            its deployed model is compared with this run's on the test examples of both.

    Raises:
        ConfigError: the policy is missing or not allowed.
        ArtefactError: `run` or `reference` is no run.
    """
    asked = read_policy(policy)
    opened = Run.open(run)
    other = None if reference is None else Run.open(reference)
    with opened.lock():
        content = _judge(opened, asked, other)
        _write(opened, content)
    return content


def _write(run: Run, content: dict[str, Any]) -> None:
    """Write gate.json and its own entries of the manifest; all others stay, or a missing file would be forgotten."""
    manifest = run.manifest
    manifest["stages"].pop("gate", None)
    manifest["files"].pop(NAME, None)
    run.write_manifest(manifest)
    run.write_json(NAME, finite(content))
    key = digest([__version__, content["policy"]["sha256"], content["files_sha256"]])
    manifest["stages"]["gate"] = {"key": key, "outputs": [NAME], "seconds": 0.0}
    manifest["files"] = dict(sorted({**manifest["files"], NAME: hash_file(run.path / NAME)}.items()))
    run.write_manifest(manifest)


def _judge(run: Run, asked: PolicyFile, reference: Run | None) -> dict[str, Any]:
    manifest = run.manifest
    outcomes = [_verified(run, "files")]
    if reference is not None:
        outcomes.append(_verified(reference, "reference.files"))

    @cache
    def against_reference() -> dict[str, Any]:
        return _comparison(run, reference)

    outcomes += check(asked.policy, Evidence(run, against_reference))
    counts = {s: sum(o.status == s for o in outcomes) for s in ("passed", "failed", "not checked")}
    passed = not counts["failed"] and (asked.policy.allow_missing or not counts["not checked"])
    return {
        "passed": passed,
        "sentence": _sentence(passed, counts, asked.policy.allow_missing),
        "counts": counts,
        "allow_missing": asked.policy.allow_missing,
        "policy": {"name": asked.name, "file": asked.path.name, "sha256": asked.sha256},
        "run": str(manifest.get("name") or run.path.name),
        "files_sha256": run.files_sha256(),
        "reference": None if reference is None else _named(reference),
        "workbench": __version__,
        "rules": [asdict(o) for o in outcomes],
    }


def _named(run: Run) -> dict[str, Any]:
    return {"name": str(run.manifest.get("name") or run.path.name), "files_sha256": run.files_sha256()}


def _verified(run: Run, name: str) -> Outcome:
    asked = "every file is what the manifest says"
    # a file that the manifest does not list is no evidence, and no damage to what is
    problems = [p for p in run.verify() if p.split(" ")[0] not in ABOUT and not p.endswith(ADDED)]
    files = len([n for n in run.manifest["files"] if n not in ABOUT])
    if not files:
        return Outcome(name, asked, "the manifest lists no file", "failed", where="manifest.json")
    said = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    status = "failed" if problems else "passed"
    by = float(len(problems)) if problems else None
    return Outcome(name, asked, said or f"{files:,} files are", status, 0.0, float(len(problems)), by=by,
                   where="manifest.json")  # fmt: skip


def _comparison(run: Run, reference: Run | None) -> dict[str, Any]:
    """The deployed model of the reference against that of the run, as in comparison.json; rows as independent."""
    if reference is None:
        raise NotChecked("no reference was given (--reference RUN)")
    wanted = read_resolved(run.path / CONFIG)
    settings: dict[str, Any] = {"resamples": wanted.evaluate.resamples, "confidence": wanted.evaluate.confidence}
    before, after = read_predictions(reference, "onnx"), read_predictions(run, "onnx")
    return compare_predictions(before, after, split="test", seed=wanted.seed, **settings)


def _sentence(passed: bool, counts: dict[str, int], allow_missing: bool) -> str:
    total = sum(counts.values())
    if passed:
        left = (
            f", {counts['not checked']} could not be checked, which the policy allows" if counts["not checked"] else ""
        )
        return f"Passed: {counts['passed']} of {total} rules hold{left}."
    parts = [f"{counts['failed']} of {total} rules failed"] if counts["failed"] else []
    if counts["not checked"]:
        parts.append(f"{counts['not checked']} could not be checked")
    return f"Failed: {' and '.join(parts)}."
