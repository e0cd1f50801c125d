"""Explanation methods: one file stands for one third-party library."""

from workbench.explainers.record import Explain, Explainer, Explanation, run_explainer

__all__ = ["Explain", "Explainer", "Explanation", "run_explainer"]
