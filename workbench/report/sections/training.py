"""How the model was customised, and what stands for the model before."""

from __future__ import annotations

import pandas as pd

from workbench.report import charts
from workbench.report.shapes import Block, Cell, Chart, Facts, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import measure_name, none, number, percent, scientific, sentence, word

_STRATEGIES = {
    "full": "every parameter was trained",
    "head": "only the last layer was trained",
    "lora": "small added matrices were trained (LoRA), the model's own parameters stayed",
}
_POINTS = 300  # of the training loss


def training(view: RunView) -> Section | None:
    """The curve, what was trained and the state that was kept."""
    about = view.finetune
    if not about and not view.history:
        return None
    parameters = about.get("parameters") or {}
    strategy = str(about.get("strategy", ""))
    what = _STRATEGIES.get(strategy, f"strategy {strategy}" if strategy else "how it was trained is not recorded")
    if parameters.get("total"):
        share = percent(parameters["trained"] / parameters["total"])
        what += f" ({parameters['trained']:,} of {parameters['total']:,}, {share})"
    blocks: list[Block] = []
    if about.get("before"):
        blocks.append(Prose((sentence(about["before"]),), "note", "What “before” means"))
    blocks.extend(_curve(view))
    backbone = about.get("backbone") or {}
    facts = [
        ("Backbone", word(backbone.get("source", "not recorded"), backbone.get("class", ""))),
        ("Strategy", word(strategy or "not recorded", what)),
        (
            "State kept",
            word(f"step {about['best_step']:,}")
            if about.get("best_step") is not None
            else none("no best step was recorded"),
        ),
        ("End of training", word(sentence(about.get("stopped", "") or "not recorded"))),
    ]
    config = view.config.get("finetune", {})
    keys = (
        "optimizer",
        "learning_rate",
        "schedule",
        "warmup",
        "batch_size",
        "epochs",
        "weight_decay",
        "class_weights",
        "precision",
    )
    settings = " · ".join(f"{k.replace('_', ' ')} {_setting(config[k])}" for k in keys if k in config)
    if settings:
        facts.append(("Settings", word(settings)))
    blocks.append(Facts(tuple(facts)))
    how = (
        "The loss is the mean cross-entropy (classes) or squared error (values) of the batches since the last line; "
        "the validation loss is of the whole validation split after each epoch. Values: tuned/history.jsonl.",
    )
    return Section("training", "Training", sentence(what), tuple(blocks), how)


def _setting(value: object) -> str:
    """A setting; 0.0 learning rate and the like mean that it was chosen by the backbone (see the config)."""
    return scientific(value) if isinstance(value, float) and 0 < abs(value) < 1e-3 else str(value)


def _curve(view: RunView) -> list[Block]:
    steps = [h for h in view.history if h.get("loss") is not None]
    epochs = [h for h in view.history if h.get("validation_loss") is not None]
    if not steps and not epochs:
        return [Prose(("No training history was kept (tuned/history.jsonl), so no curve is drawn.",), "note")]
    every = max(1, -(-len(steps) // _POINTS))
    rows = [{"who": "training", "epoch": h["epoch"], "loss": h["loss"]} for h in steps[::every]]
    rows += [{"who": "validation", "epoch": h["epoch"], "loss": h["validation_loss"]} for h in epochs]
    losses = pd.DataFrame(rows)
    label = "Loss by epoch"
    if epochs:
        label += f": validation from {number(epochs[0]['validation_loss'])} to {number(epochs[-1]['validation_loss'])}"
    blocks: list[Block] = [Chart(charts.training(losses), label, "Loss while training: lower is better.")]
    if epochs:
        name = measure_name(epochs[-1].get("score_name") or "score").title
        table = tuple(
            (
                Cell(f"{h['epoch']:g}", kind="word"),
                Cell(number(h["validation_loss"])),
                Cell(number(h["validation_score"])) if h.get("validation_score") is not None else none("not recorded"),
            )
            for h in epochs
        )
        blocks.append(Table("After each epoch, on the validation split", ("Epoch", "Loss", name), table))
    return blocks
