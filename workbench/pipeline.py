"""A run from config to report, and the demonstration: what the command line and Python share."""

from __future__ import annotations

import datetime
import gc
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tomli_w

from workbench import __version__, registry
from workbench.assets import asset
from workbench.backbones.estimator_table import check as check_estimator
from workbench.config import Config, build_config, read_config
from workbench.engines.progress import Progress
from workbench.errors import ConfigError, UnknownName, UsageError
from workbench.language import ENGLISH, check_language, speaking
from workbench.reporting import build_report, last_language, reported
from workbench.run import CONFIG, MANIFEST, Run, digest, write_atomically
from workbench.stages.session import Session

AUDIT = "audit"  # the kind of a run whose model was made elsewhere
DEMO = ("digits", "scipy-docs", "breast-cancer", "diabetes")
_MANY = 100_000  # examples, see `_let_go`
_PACKAGES = (
    "torch", "transformers", "accelerate", "onnx", "onnxruntime", "onnxruntime-gpu",
    "captum", "shap", "lime", "scikit-learn", "scipy", "numpy", "datasets",
)  # fmt: skip


def run_config(
    config: Config | str | Path,
    overrides: tuple[str, ...] = (),
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Run:
    """Do everything a config asks for: prepare, fine-tune, export, predict, evaluate, explain, report.

    What an earlier call finished is not done again. The report is `report.html` in the run.

    Args:
        config: a `Config` or the path of a TOML file.
        overrides: `key=value` pairs over the config's.
        device: "auto", "cpu" or "cuda".

    Returns:
        The run, whose `path` is `<config.out>/<config.name>`.
    """
    if isinstance(config, Config):
        config = build_config(config.model_dump(mode="json"), overrides) if overrides else config
    else:
        path = Path(config)
        config = read_config(path, overrides)
        config = config if config.name else config.model_copy(update={"name": path.stem})
    _check_names(config)  # a wrong name is said before a directory is made
    name = config.name or config.task
    if Path(name).name != name or name in ("", ".", ".."):
        raise ConfigError(f"name = {name!r} is not a folder's name", hint="leave out slashes and dots")
    made = Run.create(Path(config.out) / name)
    session = Session(made, config, device, progress or Progress())
    with made.lock():
        _identify(session, name)
        advance(session, session.stages[-1])
        build_report(made, progress=session.progress)
    return made


def advance(session: Session, until: str) -> None:
    """Bring a run up to date through one stage; what is done is left alone."""
    if until not in session.stages:
        raise UsageError(
            f"{session.run.path} audits a model that was not trained here, so it has no {until}",
            hint=f"its stages are {', '.join(session.stages)}",
        )
    for stage in session.stages[: session.stages.index(until) + 1]:
        if _stage(stage)(session):
            _let_go(session)


def _let_go(session: Session) -> None:
    """Free what a stage read of many predictions before the next one reads them again.

    Questions and those who ask them refer to each other, and Python looks for such circles too seldom: a million
    rows would be held once for every stage. Of few rows nobody would notice, but the half second that it takes.
    """
    splits = session.run.read_json("data/fingerprint.json")["splits"]
    if sum(splits.values()) >= _MANY:
        gc.collect()


def run_stage(path: str | Path, name: str, overrides: tuple[str, ...] = (), **options: Any) -> Run:
    """Bring an existing run up to date through the stage `name`; `overrides` change its config."""
    session = Session.open(path, **options)
    if overrides:
        raw = session.config.model_dump(mode="json")
        session = Session(session.run, build_config(raw, overrides), session.device, session.progress)
        _check_names(session.config)
    with session.run.lock():
        _identify(session, session.run.manifest["name"])
        advance(session, _further(session, name))
    return session.run


def _further(session: Session, name: str) -> str:
    """The last stage that a command stands for: what is evaluated is sliced and compared too."""
    return name if name != "evaluate" else "slices" if session.audited else "compare"


def compare_runs(
    a: str | Path,
    b: str | Path,
    *,
    on: str = "same",
    nulls: tuple[str | Path, ...] = (),
    margin: float | None = None,
    overrides: tuple[str, ...] = (),
    out: str | Path | None = None,
    lang: str = "",
    redact: bool | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Run:
    """Compare the deployed models of two runs on the same examples, and their reasons; writes `compare.html`.

    Args:
        a: the run that stands for "before".
        b: the run that stands for "after".
        on: "same" wants equal data, "common" takes the test examples and labels that both hold.
        nulls: runs of the config of `a` or `b` with other seeds: what retraining alone changes.
        margin: largest acceptable loss of accuracy (a share), or of RMSE as a share of it.
        overrides: `key=value` pairs over the config of `a`, such as `compare.words=["zq7"]`.
        out: folder of the comparison; None puts it beside the first run.
        lang: of its page, such as `zh-CN`; empty: as the page before, else that of the first run's report.
        redact: keep raw inputs out of the page; None: as the page before, else where the report of either run does.
        device: "auto", "cpu" or "cuda".

    Returns:
        The comparison's folder as a `Run`; `comparison.json` holds what was found.
    """
    from workbench.stages.compare_runs import compare_runs as compare

    check_language(lang)
    progress = progress or Progress()
    made: Run = compare(
        a, b, on=on, nulls=nulls, margin=margin, overrides=overrides, out=out, device=device, progress=progress
    )
    first, second = reported(Run.open(a)), reported(Run.open(b))
    redact = True if redact is None and (first[1] or second[1]) else redact
    with made.lock():
        build_report(made, lang=lang or last_language(made) or first[0], redact=redact, progress=progress)
    return made


def gate(run: str | Path, policy: str | Path, *, reference: str | Path | None = None) -> dict[str, Any]:
    """Judge a run, or a comparison of two, by a policy; needs no torch.

    Writes `gate.json`, and the run's report again where it has one and its files are as its
    manifest says.

    Args:
        run: the directory of a run, or one that `compare_runs` wrote.
        policy: a TOML file; `workbench init policy` writes one.
        reference: an earlier run, for the rules with `against = "reference"`.

    Returns:
        The content of `gate.json` (docs/artefacts.md); `passed` says whether every rule holds.
    """
    from workbench.stages.gate import gate as judge

    content: dict[str, Any] = judge(run, policy, reference=reference)
    opened = Run.open(run)
    verified = content["rules"][0]["status"] == "passed"
    if verified and "report" in opened.manifest["stages"] and opened.has(CONFIG):
        with opened.lock():
            build_report(opened, lang=last_language(opened))
    return content


def run_demo(
    out: str | Path = "reports", *, lang: str = "", device: str = "auto", progress: Progress | None = None
) -> list[Path]:
    """Make the four demonstration runs; the paths of their reports and of the index page, which comes last.

    Args:
        out: folder of the runs.
        lang: of the reports and the index, such as `zh-CN`; empty: English.
        device: "auto", "cpu" or "cuda".
        progress: where progress is shown.
    """
    from workbench.report.index import build_index

    check_language(lang)
    runs, spoken = [], (f"report.lang={lang!r}",) if lang else ()
    for name in DEMO:
        config = asset("fixtures", "demo", f"{name}.toml")
        if progress:
            progress.say(f"{name}")
        runs.append(run_config(config, (f"out={str(out)!r}", *spoken), device=device, progress=progress))
    with speaking(lang or ENGLISH):
        index: Path = build_index([r.path for r in runs], Path(out) / "index.html")
    return [*(r.path / "report.html" for r in runs), index]


def _stage(name: str) -> Callable[[Session], bool]:
    import importlib

    found: Callable[[Session], bool] = getattr(importlib.import_module(f"workbench.stages.{name}"), name)
    return found


def _check_names(config: Config) -> None:
    """Refuse names that no registry knows before any work is done for them."""
    task = registry.load("tasks", config.task)
    check_estimator(config, task.modality_name, task.kind)
    known = registry.names("explainers") | registry.names("controls")
    for method in config.explain.methods:
        if method not in known:
            raise UnknownName("explainer", method, known)
    if config.explain.filler and config.explain.filler not in task.modality.FILLERS:
        raise UnknownName("filler", config.explain.filler, task.modality.FILLERS)


def _identify(session: Session, name: str) -> None:
    """Write the config as resolved and the manifest's identity."""
    from workbench.backbones.devices import device_sentence

    config, made = session.config, session.run
    session.progress.say(device_sentence(session.device))
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
    created = made.manifest.get("created", now) if made.has(MANIFEST) else now  # a newer or damaged one is refused
    device = {"asked": session.device, "torch": session.torch_device, "text": _device_text(session)}
    resolved = config.model_dump(mode="json", exclude_none=True)
    write_atomically(made.path / CONFIG, tomli_w.dumps(resolved).encode())
    made.begin(
        name=name,
        **({"kind": AUDIT} if session.audited else {}),
        task=config.task,
        title=config.report.title,
        seed=config.seed,
        created=created,
        workbench=__version__,
        config_sha256=digest(resolved),
        packages=_versions(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        git=_git(),
    )


def _device_text(session: Session) -> str:
    did = "run" if session.audited else "trained and run"
    if session.torch_device == "cuda":
        return f"{did} on a CUDA device"
    return f"{did} on the CPU" + ("" if session.device == "cpu" else ": no CUDA device was found")


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git() -> dict[str, Any] | None:
    """Commit of this program's checkout, and whether it has changes; None where it is an installed wheel."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None

    def ask(*words: str) -> str:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words], cwd=checkout, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
