"""Error of Shapley values against exact enumeration, by method and number of evaluations.

    PYTHONPATH=. python tests/benchmarks/bench_shapley.py

Prints relative L2 errors (mean over games) and seconds for an explanation; the model costs
nothing here, so seconds are the methods' own. Takes under a minute on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from games import net

from workbench.explainers import run_explainer
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe

GAMES = 4
Method = Callable[[Probe, int, int], np.ndarray]


def workbench(probe: Probe, budget: int, seed: int) -> np.ndarray:
    """The bank's paired regression (a fifth of the pairs judges and is not fitted)."""
    return run_explainer(SHAPLEY, probe, seed=seed, budget=budget).values


def shap_kernel(probe: Probe, budget: int, seed: int, **more: object) -> np.ndarray:
    """shap.KernelExplainer as it comes: an l1 penalty keeps ten features."""
    import shap

    m = len(probe.features)
    np.random.seed(seed)  # the explainer draws from the global generator
    explainer = shap.KernelExplainer(probe.score, np.zeros((1, m)))
    return np.asarray(explainer.shap_values(np.ones((1, m)), nsamples=budget, silent=True, **more)[0])


def shap_kernel_unpenalised(probe: Probe, budget: int, seed: int) -> np.ndarray:
    """shap.KernelExplainer with l1_reg=False."""
    return shap_kernel(probe, budget, seed, l1_reg=False)


def captum_kernel(probe: Probe, budget: int, seed: int) -> np.ndarray:
    """captum.attr.KernelShap as it comes, but for the number of samples."""
    import torch
    from captum.attr import KernelShap

    m = len(probe.features)
    torch.manual_seed(seed)
    method = KernelShap(lambda x: torch.as_tensor(probe.score(x.numpy() > 0.5)))
    return method.attribute(torch.ones(1, m), baselines=torch.zeros(1, m), n_samples=budget)[0].numpy()


METHODS: dict[str, Method] = {
    "workbench": workbench,
    "shap.KernelExplainer": shap_kernel,
    "shap.KernelExplainer l1_reg=False": shap_kernel_unpenalised,
    "captum.KernelShap": captum_kernel,
}


def main() -> None:
    """Print the table."""
    print(f"{'M':>3} {'evaluations':>11}  {'method':<35}{'error':>8}{'worst':>8}{'seconds':>9}")
    for m in (10, 12, 14):
        probes = [net(np.random.default_rng(seed), m) for seed in range(GAMES)]
        truths = [workbench(probe, 2**m, 0) for probe in probes]
        for budget in (25, 128, 512, 2**m):
            for name, method in METHODS.items():
                if name.startswith("captum") and budget > 512:
                    continue  # one model call for each sample: minutes
                start = time.perf_counter()
                errors = [
                    float(np.linalg.norm(method(probe, budget, seed) - truth) / np.linalg.norm(truth))
                    for seed, (probe, truth) in enumerate(zip(probes, truths, strict=True))
                ]
                each = (time.perf_counter() - start) / GAMES
                print(f"{m:>3} {budget:>11}  {name:<35}{np.mean(errors):>8.1%}{max(errors):>8.1%}{each:>9.3f}")


if __name__ == "__main__":
    main()
