"""DeepLIFT (Shrikumar et al. 2017) and gradient times input through captum, with what they claim checked.

Captum's DeepLIFT hooks layers by type: a SiLU, a GELU or an attention that it does not know
is passed through as a plain gradient, and nothing warns of it. Its values then miss the
answer; here they are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.bank import Bank
from workbench.errors import Refusal
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Differentiable, Probe

ABSOLUTE, RELATIVE = 1e-3, 0.01


def deep_lift(
    probe: Probe,
    *,
    bank: Bank | None,
    rng: np.random.Generator,
    absolute: float = ABSOLUTE,
    relative: float = RELATIVE,
) -> Explanation:
    """DeepLIFT with the rescale rule, averaged over the baselines.

    Facts: `baselines`, `completeness_gap` (mean over baselines), `largest_gap` (of one), `rule`.

    Raises:
        Refusal: the values of some baseline miss f(x) - f(baseline) by more than `absolute`
            and by more than `relative` of it, or captum cannot follow the model.
    """
    form = None if probe.differentiable is None else probe.differentiable()
    if form is None or form.forward is None or probe.module is None:
        raise ValueError("deep_lift needs a torch module")
    import warnings

    import torch
    from captum.attr import DeepLift

    method = DeepLift(_as_module(form.forward, probe.module))
    device = next((p.device for p in probe.module.parameters()), torch.device("cpu"))
    here, nothing = (torch.as_tensor(v).to(device) for v in (form.point, form.baselines))
    found, answers = [], []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        for baselines in torch.split(nothing, max(1, form.batch // 2)):  # input and baseline go through together
            point = here.expand_as(baselines).detach().clone().requires_grad_(True)
            try:
                values = method.attribute(point, baselines=baselines.detach().requires_grad_(True))
            except (RuntimeError, AssertionError, TypeError, AttributeError) as e:  # captum's ways of giving up
                reason = " ".join(str(e).split())[:160]
                raise Refusal(
                    f"captum's DeepLIFT cannot follow this model: {reason}", hint="use integrated-gradients"
                ) from e
            found.append(values.detach().double().cpu().numpy())
            with torch.no_grad():
                answers.append(form.forward(baselines).reshape(-1).double().cpu().numpy())
    with torch.no_grad():
        score = float(form.forward(here).reshape(-1)[0])
    values, base = np.concatenate(found), np.concatenate(answers)
    gaps = np.abs(values.reshape(len(values), -1).sum(axis=1) - (score - base))
    allowed = np.maximum(absolute, relative * np.abs(score - base))
    if (gaps > allowed).any():
        worst = int(np.argmax(gaps / allowed))
        raise Refusal(
            f"DeepLIFT is not complete on this model: its values miss the answer's change of "
            f"{abs(score - base[worst]):.3g} by {gaps[worst]:.3g}, as its rules do not cover all of the model's layers",
            hint="use integrated-gradients",
        )
    facts = {
        "baselines": len(values),
        "completeness_gap": abs(float(form.mean(gaps))),
        "largest_gap": float(gaps.max()),
        "rule": "rescale",
    }
    return _explanation(form, form.mean(values), form.mean(base), score, 1 + 3 * len(values), facts)


def gradient_times_input(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """The gradient at the input times its distance from the mean baseline: a first-order guess at hiding it.

    With a baseline of zero it is captum's `InputXGradient`. It is
    complete for linear models only, so it does not claim to add up.
    """
    if probe.differentiable is None:
        raise ValueError("gradient_times_input needs a gradient")
    form = probe.differentiable()
    _, gradients = form.slopes(form.point)
    fine = gradients[0].astype(np.float64) * (form.point[0] - form.mean(form.baselines))
    return Explanation(
        np.asarray(form.pool(fine), dtype=np.float64),
        dense=None if form.dense is None else np.asarray(form.dense(fine)),
        evaluations=1,
        facts={"baselines": len(form.baselines), **form.facts},
    )


def _as_module(forward: Any, inner: Any) -> Any:
    """The question as a torch module of its own, so that captum finds the layers inside."""
    from torch import Tensor, nn

    class Asked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Any:
            return forward(x)

    return Asked().eval()


def _explanation(
    form: Differentiable, fine: np.ndarray, base: np.ndarray, score: float, evaluations: int, facts: dict[str, Any]
) -> Explanation:
    return Explanation(
        np.asarray(form.pool(fine), dtype=np.float64),
        dense=None if form.dense is None else np.asarray(form.dense(fine)),
        base_score=float(base),
        score=score,
        evaluations=evaluations,
        facts=facts | ({"filler": form.filler} if form.filler else {}),
    )


DEEP_LIFT = Explainer(
    name="deep-lift",
    title="DeepLIFT",
    caption="How much each part adds to the answer when every layer's change from the baseline is shared out in turn.",
    library="captum",
    needs=frozenset({"gradient", "module"}),
    uses_bank=False,
    explain=deep_lift,
    complete=True,
)

GRADIENT_TIMES_INPUT = Explainer(
    name="gradient-times-input",
    title="Gradient times input",
    caption="The slope at the input times the distance from the baseline: right where the model is a straight line.",
    library="",
    needs=frozenset({"gradient"}),
    uses_bank=False,
    explain=gradient_times_input,
    complete=False,
)
