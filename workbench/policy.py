"""A gate's policy: what a run must show before it may be released, as a TOML file.

Every rule asks a bound of an interval, never a point estimate alone, where there is an
interval. An unknown key or a bad value is a `ConfigError` that names the key and suggests one.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.errors import ConfigError

Model = Literal["base", "tuned", "onnx"]
Against = Literal["base", "reference"]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MeasureRule(_Rule):
    """A bound that a measure of `<model>/metrics.json` must keep."""

    name: str = Field(description="a measure, as in metrics.json")
    split: str = Field("test", description="whose examples")
    model: Model = Field("onnx", description="`onnx` is the deployed file")
    label: str = Field("", description="a class, where the measure has values per class; empty: the measure itself")
    at_least: float | None = Field(None, description="the lower bound of the interval must be at least this")
    at_most: float | None = Field(None, description="the upper bound of the interval must be at most this")

    @model_validator(mode="after")
    def _asks(self) -> MeasureRule:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least or at_most")
        return self


class NoninferiorRule(_Rule):
    """The measure may be at most `margin` worse than before, for sure."""

    measure: str = Field("accuracy", description="a measure of comparison.json")
    margin: float = Field(gt=0, description="largest loss, in the measure's own unit; shares as 0.02")
    against: Against = Field("base", description="`base`: before customisation; `reference`: the run of --reference")


class FlipsRule(_Rule):
    """Answers that were right and are now wrong."""

    max_rate: float = Field(ge=0, lt=1, description="the upper bound of their share must be at most this")
    against: Against = Field("base", description="`base` or `reference`, as above")


class SlicesRule(_Rule):
    """What every slice of at least `at_least_n` examples must show."""

    at_least_n: int = Field(30, ge=1, description="smaller slices are not judged")
    min_lower_bound: float | None = Field(None, description="accuracy: its lower bound in every slice")
    max_upper_bound: float | None = Field(None, description="mean absolute error: its upper bound in every slice")
    max_difference: float | None = Field(None, ge=0, description="how much worse than the rest a slice may be")
    judge: Literal["bound", "value"] = Field(
        "bound", description="whether max_difference judges the worse end of the interval or the value"
    )
    max_gap: float | None = Field(None, ge=0, description="largest minus smallest value of an attribute's slices")
    beyond_chance: bool = Field(True, description="a gap that chance alone explains does not fail")


class ParityRule(_Rule):
    """The deployed file against the trained model."""

    required: bool = Field(True, description="the parity test must have passed")
    max_error: float | None = Field(None, ge=0, description="largest |difference| / (1 + |output|)")


class ExplanationsRule(_Rule):
    """How many explanations of the model after must be of good quality."""

    methods: tuple[str, ...] = Field(("*",), description='explainers; "*": each that explained')
    light: Literal["good", "fair"] = Field("fair", description="`fair`: good or fair")
    min_share: float | None = Field(None, ge=0, le=1, description="share of explained cases with such a light")
    controls_caught: float | None = Field(
        None, ge=0, le=1, description="share of random explanations that must be called poor"
    )


class ShiftRule(_Rule):
    """What the model must not have started to decide by."""

    no_shift_to: tuple[str, ...] = Field(
        ("*",), min_length=1, description='words, columns or places; "*": whatever gained beyond noise'
    )


class SizeRule(_Rule):
    """The deployed file's size."""

    max_mb: float = Field(gt=0, description="millions of bytes")


class LatencyRule(_Rule):
    """The deployed file's time for one batch, from onnx/latency.json."""

    max_ms: float = Field(gt=0, description="milliseconds")
    statistic: str = Field("p95_ms", description="a number of latency.json")
    batch: int = Field(1, ge=1, description="batch size")


class DataRule(_Rule):
    """What the checks of the data must not have found."""

    no_leaks: bool = Field(True, description="no warning of a leak between splits or from the target")
    max_warnings: int | None = Field(None, ge=0, description="warnings of all kinds")


class Policy(_Rule):
    """The rules of a gate."""

    name: str = Field("", description="empty: the file's name")
    allow_missing: bool = Field(False, description="a rule whose evidence is missing does not fail")
    measure: tuple[MeasureRule, ...] = ()
    noninferior: tuple[NoninferiorRule, ...] = ()
    flips: FlipsRule | None = None
    slices: SlicesRule | None = None
    parity: ParityRule | None = None
    explanations: ExplanationsRule | None = None
    shift: ShiftRule | None = None
    size: SizeRule | None = None
    latency: LatencyRule | None = None
    data: DataRule | None = None

    @model_validator(mode="after")
    def _asks(self) -> Policy:
        if not (self.measure or self.noninferior or any(getattr(self, name) is not None for name in _SINGLE)):
            raise ValueError("holds no rule: everything would pass")
        if self.slices is not None:
            limits = ("min_lower_bound", "max_upper_bound", "max_difference", "max_gap")
            if all(getattr(self.slices, limit) is None for limit in limits):
                raise ValueError(f"slices needs one of {', '.join(limits)}")
        asked = self.explanations
        if asked is not None and asked.min_share is None and asked.controls_caught is None:
            raise ValueError("explanations needs min_share or controls_caught")
        return self


_RULES: dict[str, type[_Rule]] = {
    "measure": MeasureRule,
    "noninferior": NoninferiorRule,
    "flips": FlipsRule,
    "slices": SlicesRule,
    "parity": ParityRule,
    "explanations": ExplanationsRule,
    "shift": ShiftRule,
    "size": SizeRule,
    "latency": LatencyRule,
    "data": DataRule,
}
_SINGLE = tuple(name for name in _RULES if name not in ("measure", "noninferior"))


@dataclass(frozen=True)
class PolicyFile:
    """A policy with where it was read and the SHA-256 of its bytes."""

    policy: Policy
    path: Path
    sha256: str

    @property
    def name(self) -> str:
        return self.policy.name or self.path.stem


def read_policy(path: str | Path) -> PolicyFile:
    """Read a policy.

    Raises:
        ConfigError: the file is missing or not TOML, holds no rule, or a key or value is not allowed.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"no policy at {path}", hint="write one with `workbench init policy FILE`") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder, not a policy", hint="name a .toml file") from None
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}", hint="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as e:
        hint = "strings need quotes, tables are [section], lists of rules [[measure]]"
        raise ConfigError(f"{path} is not TOML: {e}", hint=hint) from None
    try:
        return PolicyFile(Policy.model_validate(raw), path, hashlib.sha256(content).hexdigest())
    except ValidationError as e:
        raise _policy_error(e, str(path)) from None


def _policy_error(error: ValidationError, where: str) -> ConfigError:
    # A key that is not known explains one that is missing, not the other way round.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc = [str(p) for p in first["loc"]]
    key = ".".join(loc)
    if first["type"] == "extra_forbidden":
        fields = (_RULES[loc[0]] if len(loc) > 1 else Policy).model_fields
        close = difflib.get_close_matches(loc[-1], fields, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"allowed here: {', '.join(fields)}"
        return ConfigError(f"{where}: unknown key {key!r}", hint=hint)
    if first["type"] == "missing":
        return ConfigError(f"{where}: key {key!r} is missing", hint="see `workbench init policy`")
    if first["type"] == "value_error":
        said = str(first["ctx"]["error"])
        return ConfigError(f"{where}: {f'{key} ' if key else ''}{said}", hint="see `workbench init policy`")
    if first["type"] in ("tuple_type", "model_type"):
        brackets = f"[[{loc[0]}]]" if loc[0] in ("measure", "noninferior") else f"[{loc[0]}]"
        return ConfigError(f"{where}: {key} is not what it must be", hint=f"write it as a table: {brackets}")
    message = first["msg"][0].lower() + first["msg"][1:]
    return ConfigError(f"{where}: {key} = {first['input']!r}: {message}", hint="see `workbench init policy`")
