"""Explaining, beside what the libraries' own documentation does: seconds, evaluations and error.

    python tests/benchmarks/bench_explain.py RUN [--cases 3]

RUN is a finished run (of texts, pictures or a table). The same examples, the same model and the
same scalar (the logit of the predicted class, or the value) go to

* lime's explainer at its defaults, shap.Explainer (texts, pictures) or shap.KernelExplainer row by
  row (tables) at theirs, and captum's integrated gradients at 50 steps, all on torch in float32;
* `workbench explain`'s path: one bank on the deployed file, LIME and SHAP from it, integrated
  gradients until they converge, through the file where the run proved its gradients.

The error of each method is the relative L2 distance to its own limit: Shapley values and the LIME
surrogate of all 2^M masks (or of a large bank where there are too many), integrated gradients of
2,000 steps. Which words, segments and columns can be hidden, and by what, is the same for all.
lime as it comes names ten words and gives the rest nothing; its error is printed so and, from the same
samples, for all words. Both sides run in this process, case by case in turn, so a
busy machine hits both alike; seconds of the process are printed beside those of the wall.

The equal-error ratio: the bank is made as small as gives the library's error (between budgets the
logarithms are taken as straight), and its time for that many evaluations is compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.asking import Asker
from workbench.bank import Growing, coalitions, evaluate, grow, remember
from workbench.explainers import Explainer, run_explainer
from workbench.explainers.lime import LIME, local_surrogate
from workbench.explainers.paths import INTEGRATED_GRADIENTS
from workbench.explainers.shap import SHAPLEY, exact_shapley, paired_regression
from workbench.probe import Probe
from workbench.stages.explain import Asked
from workbench.stages.session import Session

REFERENCE = 1 << 12  # masks of the reference where all 2^M are more than these
STEPS = 2000
BUDGETS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)


class Clock:
    """Seconds and model inputs by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.asked: dict[str, int] = {}
        self.errors: dict[str, list[float]] = {}
        self.own: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        start, own = time.perf_counter(), time.process_time()
        found = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.own[name] = self.own.get(name, 0.0) + time.process_time() - own
        return found

    def count(self, name: str, n: int) -> None:
        self.asked[name] = self.asked.get(name, 0) + n

    def error(self, name: str, values: np.ndarray, truth: np.ndarray) -> None:
        self.errors.setdefault(name, []).append(float(np.linalg.norm(values - truth) / np.linalg.norm(truth)))


class Counted:
    """A torch backbone's scores, counted."""

    def __init__(self, clock: Clock, name: str, probe: Probe) -> None:
        self.clock, self.name, self.probe = clock, name, probe
        self.all_parts: Callable[[], np.ndarray] | None = None  # what lime says when asked to leave out none

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        self.clock.count(self.name, len(masks) * self.probe.repeats)
        return self.probe.score(np.asarray(masks) > 0.5)


def references(probe: Probe) -> tuple[np.ndarray, np.ndarray]:
    """The Shapley values and LIME's surrogate that more and more masks lead to."""
    bank = evaluate(probe, coalitions(len(probe.features), REFERENCE, np.random.default_rng(99)))
    nothing_held = replace(bank.coalitions, held_out=np.zeros(len(bank.masks), dtype=bool))
    whole = replace(bank, coalitions=nothing_held)
    shapley = exact_shapley(whole) if whole.coalitions.exact else paired_regression(whole)[0]
    return shapley, local_surrogate(probe, bank=whole, rng=np.random.default_rng(0)).values


def gradients(probe: Probe, steps: int) -> np.ndarray:
    """captum's integrated gradients at a number of steps, summed to features."""
    import torch
    from captum.attr import IntegratedGradients

    form = probe.differentiable()  # type: ignore[misc]
    method = IntegratedGradients(form.forward)
    found = [
        method.attribute(
            torch.from_numpy(form.point),
            baselines=torch.from_numpy(np.ascontiguousarray(b[None])),
            n_steps=steps,
            internal_batch_size=form.batch,
        )
        for b in form.baselines
    ]
    return form.pool(np.mean([f.detach().double().numpy()[0] for f in found], axis=0))


def evaluations_for(probe: Probe, limit: np.ndarray, error: float, method: Explainer) -> float:
    """Evaluations of a bank from which a method's error is at most `error`; infinite beyond the largest."""
    asked, _ = remember(probe)
    before: tuple[float, float] | None = None
    for budget in BUDGETS:
        bank = evaluate(asked, coalitions(len(probe.features), budget, np.random.default_rng(5)))
        found = run_explainer(method, asked, bank=bank, seed=0).values
        wrong = float(np.linalg.norm(found - limit) / np.linalg.norm(limit))
        if wrong <= error:
            if before is None or before[1] <= wrong:
                return float(budget)
            share = np.log(before[1] / error) / np.log(before[1] / max(wrong, 1e-12))
            return float(np.exp(np.log(before[0]) + share * np.log(budget / before[0])))
        before = (float(budget), wrong)
    return float("inf")


# -- what the libraries' documentation does -----------------------------------------------


def lime_of_texts(asked: Asked, case: dict[str, Any], score: Counted) -> np.ndarray:
    from lime.lime_text import LimeTextExplainer

    names = [f.name for f in case["cut"].features]
    tokens = " ".join(f"w{i}" for i in range(len(names)))

    def classify(texts: list[str]) -> np.ndarray:
        masks = np.array([[w != "UNKWORDZ" for w in t.split()] for t in texts])
        answers = score(masks)
        return np.stack([answers, -answers], axis=1)

    return _lime(score, LimeTextExplainer(split_expression=r"\s+", bow=False, random_state=0), tokens, classify)


def _lime(score: Counted, explainer: Any, shown: Any, classify: Any, **more: Any) -> np.ndarray:
    """The documented call, then all parts from the samples that it drew."""
    kept: list[Any] = []

    def remembered(inputs: Any) -> np.ndarray:
        kept.append(classify(inputs))
        return kept[-1]

    state = explainer.random_state.get_state()
    found = explainer.explain_instance(shown, remembered, labels=(0,), **more)
    m = len(score.probe.features)

    def weights(explanation: Any) -> np.ndarray:
        values = np.zeros(m)
        for place, weight in explanation.local_exp[0]:
            values[place] = weight
        return values

    def every() -> np.ndarray:
        answers = iter(kept)
        explainer.random_state.set_state(state)
        again = explainer.explain_instance(shown, lambda _: next(answers), labels=(0,), num_features=m, **more)
        return weights(again)

    score.all_parts = every
    return weights(found)


def lime_of_pictures(asked: Asked, case: dict[str, Any], score: Counted) -> np.ndarray:
    from lime import lime_image

    cut = case["cut"]
    marks = np.zeros((*cut.label.shape, 3), np.uint8)
    marks[..., 0] = cut.label + 1  # the picture's segments, so that hidden ones can be told apart

    def classify(pictures: np.ndarray) -> np.ndarray:
        seen = np.asarray(pictures)[..., 0].reshape(len(pictures), -1)
        first = np.array([int(np.flatnonzero(cut.label.ravel() == k)[0]) for k in range(len(cut.features))])
        answers = score(seen[:, first] > 0)
        return np.stack([answers, -answers], axis=1)

    explainer = lime_image.LimeImageExplainer(random_state=0)
    more = {"top_labels": None, "hide_color": 0, "segmentation_fn": lambda _: cut.label}
    return _lime(score, explainer, marks, classify, **more)


def shap_partition(asked: Asked, case: dict[str, Any], score: Counted) -> np.ndarray:
    import shap

    m = len(case["cut"].features)
    masker = shap.maskers.Partition(np.zeros((2, m)), clustering=_neighbours(m))
    explainer = shap.explainers.Partition(score, masker)
    return np.asarray(explainer(np.ones((1, m)), max_evals=500, silent=True).values[0])


def _neighbours(m: int) -> np.ndarray:
    """A balanced tree of neighbouring features, as shap's text masker builds one: (m - 1, 4)."""
    from scipy.cluster.hierarchy import linkage

    return linkage(np.arange(m, dtype=float)[:, None] + np.linspace(0, 1e-3, m)[:, None] ** 2, method="complete")


def shap_kernel(asked: Asked, case: dict[str, Any], score: Counted) -> np.ndarray:
    import shap

    probe = score.probe
    hidden = probe.hide(np.zeros((1, len(probe.features)), bool))
    shown = probe.hide(np.ones((1, len(probe.features)), bool))
    order = asked.session.preparation
    kinds = [(name, list(getattr(order, name))) for name in hidden]
    width = sum(len(i) for _, i in kinds)

    def to_rows(batch: dict[str, np.ndarray]) -> np.ndarray:
        rows = np.zeros((len(next(iter(batch.values()))), width))
        for name, columns in kinds:
            rows[:, columns] = batch[name]
        return rows

    def predict(rows: np.ndarray) -> np.ndarray:
        score.clock.count(score.name, len(rows))
        batch = {n: rows[:, c].astype(hidden[n].dtype) for n, c in kinds}
        return probe.answer(batch)

    explainer = shap.KernelExplainer(predict, to_rows(hidden))
    return np.asarray(explainer.shap_values(to_rows(shown)[:1], silent=True)[0])


def lime_of_tables(asked: Asked, case: dict[str, Any], score: Counted) -> np.ndarray | None:
    return None  # lime draws its table neighbours from another law: another question, so no common limit


LIBRARIES: dict[str, tuple[tuple[str, Callable[..., np.ndarray | None]], ...]] = {
    "text": (("lime", lime_of_texts), ("shap", shap_partition)),
    "image": (("lime", lime_of_pictures), ("shap", shap_partition)),
    "table": (("shap", shap_kernel),),
}


def cases_repeat(asked: Asked, cases: list[dict[str, Any]]) -> int:
    """Background rows behind one mask."""
    return int(asked.probe(cases[0], "onnx").repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--budget", type=int, default=0)
    parser.add_argument("--words", type=int, nargs=2, default=(2, 1000), help="fewest and most features of a case")
    parser.add_argument("--reference", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    session = Session.open(options.run, device="cpu")
    asked = Asked(session)
    asked.budget = options.budget or asked.budget
    modality = session.task.modality_name
    import captum.attr  # noqa: F401
    import shap  # noqa: F401 - imports are not timed

    clock = Clock()
    low, high = options.words
    cases = [c for c in asked.cases if low <= len(c["cut"].features) <= high][: options.cases]
    session.onnx.outputs(asked.probe(cases[0], "onnx").hide(np.ones((1, len(cases[0]["cut"].features)), bool)))
    form = asked.probe(cases[0], asked.model_for(cases[0], INTEGRATED_GRADIENTS, "onnx", "tuned")).differentiable()
    form.slopes(form.point)  # both files are loaded now, as torch's module is
    widths = []
    equal: dict[str, list[float]] = {"shap": [], "lime": [], "lime, all parts": []}
    for case in cases:
        m = len(case["cut"].features)
        widths.append(m)
        torch_probe, deployed = asked.probe(case, "tuned"), asked.probe(case, "onnx")
        sloped = asked.probe(case, asked.model_for(case, INTEGRATED_GRADIENTS, "onnx", "tuned"))  # as the stage does
        asker = Asker()
        job = Growing([deployed], asked.budget, asked.seed(case))
        bank = clock.time("workbench bank", lambda: grow([job], enough=asked._precise, asker=asker)[0][0])  # noqa: B023
        clock.count("workbench bank", asker.evaluations)
        clock.seconds["workbench bank, model alone"] = (
            clock.seconds.get("workbench bank, model alone", 0) + asker.seconds
        )
        ours = {
            "shap": clock.time("workbench shap", lambda: run_explainer(SHAPLEY, deployed, bank=bank, seed=0)),  # noqa: B023
            "lime": clock.time("workbench lime", lambda: run_explainer(LIME, deployed, bank=bank, seed=0)),  # noqa: B023
            "captum": clock.time("workbench captum", lambda: run_explainer(INTEGRATED_GRADIENTS, sloped, seed=0)),  # noqa: B023
        }
        clock.count("workbench captum", ours["captum"].evaluations)
        theirs: dict[str, np.ndarray | None] = {}
        asked_of: dict[str, Counted] = {}
        for name, work in LIBRARIES[modality]:
            counted = asked_of[name] = Counted(clock, f"library {name}", torch_probe)
            theirs[name] = clock.time(f"library {name}", lambda: work(asked, case, counted))  # noqa: B023
        theirs["captum"] = clock.time("library captum", lambda: gradients(torch_probe, 50))  # noqa: B023
        clock.count("library captum", 50 * len(torch_probe.differentiable().baselines))  # type: ignore[misc]
        if options.reference:
            shapley, surrogate = references(deployed)
            limits = {"shap": shapley, "lime": surrogate, "captum": gradients(torch_probe, STEPS)}
            for name, limit in limits.items():
                clock.error(f"workbench {name}", ours[name].values, limit)
                if theirs.get(name) is not None:
                    clock.error(f"library {name}", theirs[name], limit)  # type: ignore[arg-type]
                    if name in asked_of and (every := asked_of[name].all_parts) is not None:
                        clock.error(f"library {name}, all parts", every(), limit)
                        equal["lime, all parts"].append(
                            evaluations_for(deployed, limit, clock.errors[f"library {name}, all parts"][-1], LIME)
                        )
                    if name in equal:
                        method = {"shap": SHAPLEY, "lime": LIME}[name]
                        equal[name].append(
                            evaluations_for(deployed, limit, clock.errors[f"library {name}"][-1], method)
                        )
    print(f"{len(cases)} cases of {modality}, {min(widths)} to {max(widths)} features, budget {asked.budget}\n")
    print("| what | seconds a case | of this process | model inputs a case | relative error |\n|---|---|---|---|---|")
    n = len(cases)
    for name in clock.errors:
        clock.seconds.setdefault(name, 0.0)
    for name, seconds in clock.seconds.items():
        errors = f"{np.mean(clock.errors[name]):.4f}" if name in clock.errors else ""
        inputs = f"{clock.asked[name] / n:,.0f}" if name in clock.asked else ""
        own = f"{clock.own[name] / n:.3f}" if name in clock.own else ""
        print(f"| {name} | {seconds / n:.3f} | {own} | {inputs} | {errors} |")
    for word, spent in (("wall", clock.seconds), ("process", clock.own)):
        total = {
            w: sum(s for k, s in spent.items() if k.startswith(w) and "alone" not in k)
            for w in ("library", "workbench")
        }
        print(f"\nlibraries / workbench, {word}: {total['library'] / total['workbench']:.1f} times the time")
    each = clock.own["workbench bank"] / clock.asked["workbench bank"]
    for name, needed in equal.items():
        if needed and np.isfinite(needed).all():
            word = name.split(",")[0]
            there = clock.own[f"library {word}"] / n
            same = float(np.mean(needed)) * each * cases_repeat(asked, cases) + clock.own[f"workbench {word}"] / n
            print(
                f"{name}: its error takes {np.mean(needed):.0f} evaluations of the workbench; at equal error it is "
                f"{there / same:.1f} times faster"
            )
        elif needed:
            print(f"{name}: {max(BUDGETS)} evaluations do not reach the library's error in every case")
    alone = clock.seconds["workbench bank, model alone"]
    print(f"bank wall time / time in the model: {clock.seconds['workbench bank'] / alone:.3f}")


if __name__ == "__main__":
    main()
