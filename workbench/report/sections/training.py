"""How the model was customised, and what stands for the model before."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import charts
from workbench.report.shapes import Block, Cell, Chart, Facts, Fold, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import measure_name, none, number, percent, scientific, sentence, word

_STRATEGIES = {
    "full": N_("every parameter was trained"),
    "head": N_("only the last layer was trained"),
    "estimator": N_("every number of the trees was fitted"),
    "lora": N_("small added matrices were trained (LoRA), the model's own parameters stayed"),
}
_OF_TREES = {
    "hist-gradient-boosting": N_("boosted trees"),
    "gradient-boosting": N_("boosted trees"),
    "random-forest": N_("a random forest"),
    "extra-trees": N_("extremely randomised trees"),
    "decision-tree": N_("one decision tree"),
}
_ELSEWHERE = N_(
    "The model was trained elsewhere: by whom, how and on what data, only those can say "
    "who made it. Nothing was trained for this report."
)
_POINTS = 300  # of the training loss
_EPOCHS = 4  # that are listed one by one


def training(view: RunView) -> Section | None:
    """The curve, what was trained and the state that was kept."""
    if view.audited:
        return Section("training", _("Training"), _(_ELSEWHERE), ())
    about = view.finetune
    if not about and not view.history:
        return None
    if about.get("estimator"):
        return _trees(view, about)
    parameters = about.get("parameters") or {}
    strategy = str(about.get("strategy", ""))
    what = _(_STRATEGIES.get(strategy, "")) or _("strategy {name}").format(name=strategy)
    what = what if strategy else _("how it was trained is not recorded")
    if parameters.get("total"):
        share = percent(parameters["trained"] / parameters["total"])
        what += _(" ({trained:,} of {total:,}, {share})").format(
            trained=parameters["trained"], total=parameters["total"], share=share
        )
    blocks: list[Block] = []
    if about.get("before"):
        blocks.append(Prose((sentence(about["before"]),), "note", _("What “before” means")))
    blocks.extend(_curve(view))
    backbone = about.get("backbone") or {}
    facts = [
        (_("Backbone"), word(backbone.get("source", _("not recorded")), backbone.get("class", ""))),
        (_("Strategy"), word(strategy or _("not recorded"), what)),
        (
            _("State kept"),
            word(_("step {best_step:,}").format(best_step=about["best_step"]))
            if about.get("best_step") is not None
            else none(_("no best step was recorded")),
        ),
        *(((_("Started from"), word(sentence(about["start"]))),) if about.get("start") else ()),
        (_("End of training"), word(sentence(about.get("stopped", "") or _("not recorded")))),
    ]
    # what was resolved, where the run kept it; the config alone may say 0 for "by the backbone"
    config = {**(about.get("settings") or view.config.get("finetune", {}))}
    if about.get("learning_rate"):
        config["learning_rate"] = about["learning_rate"]
    keys = (
        "optimizer",
        "learning_rate",
        "schedule",
        "warmup",
        "batch_size",
        "epochs",
        "patience",
        "weight_decay",
        "dropout",
        "label_smoothing",
        "class_weights",
        "augment",
        "precision",
    )
    settings = " · ".join(f"{stored(k.replace('_', ' '))} {_setting(config[k])}" for k in keys if config.get(k))
    if settings:
        facts.append((_("Settings"), word(settings)))
    blocks.append(Facts(tuple(facts)))
    how = (
        _(
            "The loss is the mean cross-entropy (classes; labels: of each yes or no) or squared "
            "error (values) of the batches since the last line; the validation loss is of the "
            "whole validation split after each epoch. Values: tuned/history.jsonl."
        ),
    )
    return Section("training", _("Training"), sentence(what), tuple(blocks), how)


def _trees(view: RunView, about: dict[str, Any]) -> Section:
    """The same of trees, which grow at once: loss by number of trees, and what scikit-learn was given."""
    fitted, backbone = about["estimator"], about.get("backbone") or {}
    source = str(backbone.get("source", ""))
    kind = _(_OF_TREES.get(source.partition(":")[2], N_("trees")))
    finding = sentence(
        _("{kind} of scikit-learn; {stopped}").format(
            kind=kind, stopped=stored(about.get("stopped") or "") or _("how they grew is not recorded")
        )
    )
    blocks: list[Block] = []
    if about.get("before"):
        blocks.append(Prose((sentence(about["before"]),), "note", _("What “before” means")))
    blocks.extend(_curve(view, "trees"))
    parameters = " · ".join(f"{k} {_setting(v)}" for k, v in sorted((fitted.get("parameters") or {}).items()))
    numbers = (about.get("parameters") or {}).get("total", 0)
    missing = _("each split learnt which way they go") if "learnt" in str(fitted.get("missing")) else (
        _("they count as a number below all others")
    )  # fmt: skip
    facts = [
        (_("Backbone"), word(source, str(backbone.get("class", "")))),
        (_("Trees"), word(f"{fitted.get('trees', 0):,}", _("{numbers:,} fitted numbers").format(numbers=numbers))),
        (_("Categories"), word(_("in the order that the targets give"), _("so that every column stays one column"))),
        (_("Missing values"), word(missing)),
    ]
    if parameters:
        facts.append((_("Parameters"), word(parameters, _("scikit-learn's names; the others are its defaults"))))
    blocks.append(Facts(tuple(facts)))
    how = (
        _(
            "The loss is the mean cross-entropy (classes; labels: of each yes or no) or squared "
            "error (values) with the first trees alone, on up to 4,000 training rows drawn by "
            "lot and on the whole validation split. Values: tuned/history.jsonl."
        ),
    )
    return Section("training", _("Training"), finding, tuple(blocks), how)


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return scientific(value) if 0 < abs(value) < 1e-3 else f"{value:g}"
    return str(value)


def _curve(view: RunView, by: str = "epoch") -> list[Block]:
    steps = [h for h in view.history if h.get("loss") is not None]
    epochs = [h for h in view.history if h.get("validation_loss") is not None]
    if not steps and not epochs:
        return [Prose((_("No training history was kept (tuned/history.jsonl), so no curve is drawn."),), "note")]
    every = max(1, -(-len(steps) // _POINTS))
    apart = 1 if by == "epoch" else every
    rows = [{"who": "training", "epoch": h[by], "loss": h["loss"]} for h in steps[::every]]
    rows += [{"who": "validation", "epoch": h[by], "loss": h["validation_loss"]} for h in epochs[::apart]]
    losses = pd.DataFrame(rows)
    label = _("Loss by epoch") if by == "epoch" else _("Loss by number of trees")
    if epochs:
        label += _(": validation from {validation_loss} to {validation_loss_2}").format(
            validation_loss=number(epochs[0]["validation_loss"]),
            validation_loss_2=number(epochs[-1]["validation_loss"]),
        )
    said = _("Loss while training") if by == "epoch" else _("Loss by number of trees")
    drawn = charts.training(losses, title=by, dots=by == "epoch" or len(losses) < 40)
    blocks: list[Block] = [Chart(drawn, label, _("{said}: lower is better.").format(said=said))]
    if epochs:
        blocks += _epochs(view, epochs, by)
    return blocks


def _epochs(view: RunView, epochs: list[dict[str, Any]], by: str) -> list[Block]:
    """The first, the best and the last line; of epochs all of them behind one line."""
    name = measure_name(epochs[-1].get("score_name") or "score").title
    best = view.finetune.get("best_step")
    grown = _("Epoch") if by == "epoch" else _("Trees")

    def row(entry: dict[str, Any]) -> tuple[Cell, ...]:
        score = entry.get("validation_score")
        kept = _("kept") if best is not None and entry.get("step") == best else ""
        return (
            word(f"{entry[by]:,g}" if by != "epoch" else f"{entry[by]:g}", kept),
            Cell(number(entry["validation_loss"])),
            Cell(number(score)) if score is not None else none(_("not recorded")),
        )

    def table(caption: str, shown: list[dict[str, Any]]) -> Table:
        return Table(caption, (grown, _("Loss"), name), tuple(row(entry) for entry in shown), compact=True)

    caption = _("After each epoch, on the validation split") if by == "epoch" else _("On the validation split")
    if len(epochs) <= _EPOCHS:
        return [table(caption, epochs)]
    kept = [entry for entry in epochs[1:-1] if entry.get("step") == best]
    if by != "epoch":
        few = _("The first, the kept and all trees") if kept else _("The first and all trees")
        return [table(_("{few}, on the validation split").format(few=few), [epochs[0], *kept, epochs[-1]])]
    said = _("First, best and last epoch") if kept else _("First and last epoch")
    shown = [epochs[0], *kept, epochs[-1]]
    every = table(caption, epochs)
    return [
        table(_("{said}, on the validation split").format(said=said), shown),
        Fold(_("All {n} epochs").format(n=len(epochs)), (every,)),
    ]
