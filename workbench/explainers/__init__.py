"""Explanation methods: one file stands for one library or one way of asking the model."""

from workbench.explainers.record import Explain, Explainer, Explanation, find_method, run_explainer

__all__ = ["Explain", "Explainer", "Explanation", "find_method", "run_explainer"]
