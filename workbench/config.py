"""The run's TOML as a model: every key, its default and what it means.

An unknown key or a bad value is a `ConfigError` that names the key and suggests one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from workbench.config_audit import Audit
from workbench.config_text import Candidate, Dtype, OnGpu, Section, absolute, override, read_toml, with_usual_methods
from workbench.config_text import config_error as _config_error
from workbench.errors import ArtefactError, ConfigError
from workbench.places import Region


class Data(Section):
    """Where the examples come from and which columns mean what."""

    source: str = Field(description="folder, file, `hf:name`, saved dataset directory or `fixture:name`")
    validation: str = Field("", description="file of the validation split, where it is a file of its own")
    test: str = Field("", description="file of the test split, where it is a file of its own")
    text: str = Field("", description="column of the text")
    image: str = Field("", description="column of the picture or of its path")
    target: str = Field("", description="column of the label or value; multi-label: of all labels of a row")
    targets: tuple[str, ...] = Field((), description="multi-label: columns of 0 and 1, one for each label")
    label_separator: str = Field(";", min_length=1, description="multi-label: what stands between labels of a cell")
    features: tuple[str, ...] = Field((), description="feature columns; empty: all but the others named")
    categorical: tuple[str, ...] = Field((), description="feature columns that are categories whatever they hold")
    ignore: tuple[str, ...] = Field((), description="columns that are left out")
    id: str = Field("", description="column of the example's id")
    split: str = Field("", description="column that names the split of each row")
    rationale: str = Field("", description="column, or CSV of `file,x0,y0,x1,y1`, of what a person says decides")
    group: str = Field("", description="column whose values stay on one side of a split (patient, user)")
    slices: tuple[str, ...] = Field((), description="columns to break results down by; numbers become ranges")
    labels: tuple[str, ...] = Field((), description="class names in order; empty: those of the training split")
    unit: str = Field("", description="unit of the regression target")
    subset: str = Field("", description="configuration name of a hub dataset")
    revision: str = Field("", description="revision of a hub dataset")
    delimiter: str = Field("", description="field separator; empty: by file name")
    encoding: str = Field("utf-8", description="encoding of text files")
    validation_share: float = Field(0.15, gt=0, lt=1, description="share of a validation split that is drawn")
    test_share: float = Field(0.2, gt=0, lt=1, description="share of a test split that is drawn")
    limit: int = Field(0, ge=0, description="at most so many examples of each split; 0: all")
    shortcut: Literal["none", "random", "class"] = Field("none", description="a rehearsal: docs/decisions.md")
    max_skipped: float = Field(0.01, ge=0, le=1, description="share of unreadable examples that stops the run")


class Backbone(Section):
    """The model that is customised."""

    source: str = Field(
        "", description="hub id, directory, `package:name/path`, `fixture:glyphs`, `tabular` or `sklearn:NAME`"
    )
    parameters: dict[str, bool | int | float | str] = Field(
        {}, description='of a scikit-learn estimator, by its own names; `"none"` for its None'
    )
    revision: str = Field("", description="revision of a hub model")
    factory: str = Field("", description="`file.py:function` that builds the user's own torch module")
    weights: str = Field("", description="safetensors or weights-only state dict for the factory's module")
    head: str = Field("", description="name of the layer that is the head; empty: found")
    trust_remote_code: bool = Field(False, description="run code that comes with a hub model")
    max_length: int = Field(128, ge=4, description="tokens after which a text is cut")
    image_size: int = Field(0, ge=0, description="pixels of the shorter side; 0: what the backbone expects")
    mean: tuple[float, ...] = Field((), description="channel means for a user's own module")
    std: tuple[float, ...] = Field((), description="channel deviations for a user's own module")
    width: int = Field(0, ge=0, description="hidden width of `tabular`; 0: by the data")
    blocks: int = Field(0, ge=0, description="residual blocks of `tabular`; 0: by the data")


class Finetune(Section):
    """How the backbone is customised."""

    strategy: str = Field(
        "full", pattern=r"^(head|full|lora|last-[1-9][0-9]*)$", description="`head`, `last-N` blocks, `full` or `lora`"
    )
    optimizer: str = Field("adamw", description="adamw, sgd, adafactor, rmsprop, adagrad, ... (transformers' names)")
    learning_rate: float = Field(0.0, ge=0, description="0: by backbone and strategy")
    schedule: str = Field("linear", description="linear, cosine, constant, ... (transformers' names)")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps")
    batch_size: int = Field(0, ge=0, description="0: by the backbone (32; tables by their size)")
    epochs: float = Field(0.0, ge=0, description="0: by the backbone (3; tables by their size)")
    weight_decay: float | None = Field(None, ge=0, description="empty: by the backbone (0.01; tables 0.0003)")
    dropout: float | None = Field(None, ge=0, lt=1, description="empty: the backbone's own")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target spread over all classes (multi-label: over yes and no)"
    )
    class_weights: Literal["none", "balanced"] = Field("none", description="`balanced`: rare classes weigh more")
    patience: int | None = Field(
        None, ge=0, description="epochs without improvement before stopping; 0: never; empty: by the backbone"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="`auto`: bf16 where possible")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are cut to this norm")
    augment: bool = Field(False, description="random flips and crops of training pictures")
    lora_rank: int = Field(8, ge=1, description="rank of the adapters of `lora`")
    lora_alpha: int = Field(16, ge=1, description="scale of the adapters, over their rank")


class Export(Section):
    """How the model is written to ONNX and what counts as equal."""

    opset: int = Field(20, ge=18, le=23, description="ONNX operator set")
    tolerance: float = Field(1e-4, gt=0, description="largest |difference of logits| / (1 + |logit|)")
    candidate: Candidate = Field("dynamo", description="how the file is written; `fastest`: as is fastest, at parity")
    dtypes: tuple[Dtype, ...] = Field(("fp32",), description="number formats to make and to compare with fp32")
    latency_seconds: float = Field(0.3, ge=0, description="for timing a file and size; 20: all percentiles; 0: none")


class Predict(Section):
    """How predictions are computed."""

    batch_size: int = Field(64, ge=1, description="examples at once")
    shard_size: int = Field(2048, ge=1, description="examples a resumable shard")
    gpu: OnGpu = Field("plain", description="GPU: `graphs` replays kernels, `tensorrt` compiles; not for `inspect`")


class Evaluate(Section):
    """How sure the intervals are, and by which rules a threshold is chosen."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples")
    confidence: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals")
    positive: str = Field("", description="class that is looked for; empty: the second of two, none of several")
    cost_ratio: float | None = Field(
        None, gt=0, description="cost of a false alarm over that of a miss; empty: no rule by cost"
    )
    min_recall: float = Field(0.9, gt=0, le=1, description="share of the positive class that must be found")
    min_precision: float = Field(0.9, gt=0, le=1, description="share of alarms that must be right")
    capacity: float = Field(0.1, gt=0, le=1, description="largest share of all examples that can be looked at")


class Compare(Section):
    """What counts as not worse, and where a change of reasons is looked for."""

    margin: float = Field(0.0, ge=0, lt=1, description="largest acceptable loss: (subset) accuracy or RMSE; 0: none")
    words: tuple[str, ...] = Field((), description="words whose part in the decisions is measured before and after")
    columns: tuple[str, ...] = Field((), description="columns whose part in the decisions is measured")
    regions: tuple[Region, ...] = Field((), description="[left, top, right, bottom] as fractions, or `top-right`, ...")
    samples: int = Field(24, ge=2, description="test examples that a comparison of two runs explains under both")
    repeats: int = Field(1, ge=0, le=20, description="times an explanation is drawn again to know its noise; 0: never")
    flips: int | None = Field(None, ge=0, description="answers that turned to explain; empty: 100, of tables 200")


class Explain(Section):
    """Which predictions are explained, by what, and at what cost."""

    methods: tuple[str, ...] = Field(
        ("integrated-gradients", "shap", "lime"),
        description="names of `workbench list explainers`, or of `controls` beside them; by default, trees of "
        "scikit-learn have tree-shap, shap and lime",
    )
    question: Literal["predicted", "contrast"] = Field(
        "predicted", description="`predicted`: why this class; `contrast`: why this class and not another"
    )
    against: str = Field("", description="label that a contrast is with; empty: the runner-up")
    samples: int | None = Field(
        None, ge=0, description="test examples that are explained; empty: 24 rows of a table, else 12"
    )
    ids: tuple[str, ...] = Field((), description="explain these examples instead")
    budget: int = Field(
        0, ge=0, description="evaluations of the model for one question; 0: 512 for a row of a table, else 256"
    )
    width: float = Field(
        0.1,
        ge=0,
        description="fewer evaluations do where half the 95 % interval of every SHAP value is at most this share "
        "of the largest; 0: the whole budget is used",
    )
    max_seconds: float = Field(
        0.0, ge=0, description="after so long no further example is begun and no bank grows; 0: no limit"
    )
    max_memory: float = Field(0.0, ge=0, description="gigabytes above which batches are halved; 0: no limit")
    filler: str = Field("", description="what stands for a hidden feature; empty: the modality's first")
    segments: int = Field(48, ge=2, description="segments of a picture, about")
    background: int = Field(32, ge=1, description="training rows that stand for hidden columns")
    immutable: tuple[str, ...] = Field((), description="columns that a counterfactual must not change")
    ranges: dict[str, tuple[float, float]] = Field(
        {}, description="lowest and highest value to which a counterfactual may set a column; else those of training"
    )
    change: float = Field(
        0.0,
        ge=0,
        description="by how much a counterfactual moves a predicted value; 0: half the deviation of those of training",
    )
    global_samples: int | None = Field(
        None,
        ge=0,
        description="test examples behind the views of the whole model; empty: 200 rows of a table, 40 pictures, of "
        "texts the explained cases",
    )


class Assess(Section):
    """How far explanations are put to the test beyond hiding parts; each of these costs evaluations."""

    seeds: int = Field(5, ge=0, description="seeds of the stability of each explanation; below 2: not measured")
    randomised: int = Field(8, ge=0, description="examples explained on a model with random weights; 0: none")
    other_class: int = Field(4, ge=0, description="examples explained for the runner-up class too; 0: not measured")
    perturbed: int = Field(2, ge=0, description="examples whose input is changed a little; 0: not measured")
    draws: int = Field(3, ge=1, description="small changes of each such input")
    masked: int = Field(16, ge=0, description="masked inputs of each example compared with clean ones; 0: none")
    second_filler: str = Field("", description="filler of a second measurement; empty: the next; `none`: none")
    sensitivity_n: bool = Field(False, description="sensitivity-n for hidden sets of several sizes too")


class Report(Section):
    """What the report is called and how large it may be."""

    title: str = Field("", description="empty: the run's name")
    max_mb: float = Field(3.0, gt=0, description="megabytes; pictures, then cases, are left out to fit")
    lang: Literal["en", "zh-CN"] = Field("en", description="language of the page: `en`, `zh-CN`")
    redact: bool = Field(False, description="keep raw inputs out of the report: hashes instead, no pictures")


class Card(Section):
    """What only a person can say of the model; printed in the report."""

    purpose: str = Field("", description="what the model is for")
    limits: str = Field("", description="what it must not be used for, and where it fails")
    owner: str = Field("", description="who answers for it")
    licence: str = Field("", description="under which terms it may be used")
    users: str = Field("", description="who uses it")


class Config(Section):
    """Everything that a run is asked for."""

    task: str = Field(description="a name of `workbench list tasks`")
    name: str = Field("", description="the run's name; empty: the config file's")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="of every random draw")
    out: str = Field("reports", description="folder in which the run's directory is made")
    data: Data
    backbone: Backbone = Backbone()
    finetune: Finetune = Finetune()
    export: Export = Export()
    audit: Audit = Audit()
    predict: Predict = Predict()
    evaluate: Evaluate = Evaluate()
    compare: Compare = Compare()
    explain: Explain = Explain()
    assess: Assess = Assess()
    report: Report = Report()
    card: Card = Card()

    _methods = model_validator(mode="before")(with_usual_methods)


def read_config(path: str | Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read a TOML config; `overrides` are `key=value` pairs such as `finetune.epochs=5`.

    Paths in `data` and `backbone` that exist beside the config, or else in the current
    folder, are made absolute.

    Raises:
        ConfigError: the file is missing or not TOML, or a key or value is not allowed.
    """
    path = Path(path)
    return build_config(read_toml(path), overrides, beside=path.resolve().parent, where=str(path))


def read_resolved(path: Path) -> Config:
    """Read the `config.toml` that a run keeps; its paths are taken as they stand.

    Raises:
        ArtefactError: it is missing or damaged.
    """
    try:
        return build_config(read_toml(path), where=str(path))
    except ConfigError as e:
        raise ArtefactError(e.message, hint="restore it, or run the config again") from None


def build_config(
    raw: dict[str, Any],
    overrides: tuple[str, ...] = (),
    *,
    beside: Path | None = None,
    where: str = "config",
) -> Config:
    """Validate a nested mapping as a `Config` (see `read_config`)."""
    raw = {k: dict(v) if isinstance(v, dict) else v for k, v in raw.items()}
    for text in overrides:
        override(raw, text)
    of_data = ("source", "validation", "test", "rationale")
    for section, keys in (
        ("data", of_data),
        ("backbone", ("source", "weights", "factory")),
        ("audit", ("model", "tokenizer")),
    ):
        table = raw.get(section)
        if beside is not None and isinstance(table, dict):
            for key in keys:
                if isinstance(table.get(key), str) and (key != "rationale" or table[key].endswith(".csv")):
                    table[key] = absolute(table[key], beside)
    try:
        return Config.model_validate(raw)
    except ValidationError as e:
        raise _config_error(e, where, Config) from None
