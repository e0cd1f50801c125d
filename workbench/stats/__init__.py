"""Intervals, paired tests and corrections for many tests: pure functions of numpy arrays."""

from workbench.stats.auc import DeLong, delong
from workbench.stats.bootstrap import Drawn, Plan, Statistic, bootstrap, evaluate, two_sided_p
from workbench.stats.intervals import Interval, interval_of
from workbench.stats.margins import Margin, equivalence, noninferiority, required_pairs
from workbench.stats.permutation import Gap, permutation_gap, permutation_p, swap_p
from workbench.stats.proportions import (
    fisher_exact,
    mcnemar_exact,
    newcombe_independent,
    newcombe_paired,
    wilson,
    wilson_bounds,
)
from workbench.stats.randomisation import randomisation_p
from workbench.stats.several import holm

__all__ = [
    "DeLong",
    "Drawn",
    "Gap",
    "Interval",
    "Margin",
    "Plan",
    "Statistic",
    "bootstrap",
    "delong",
    "equivalence",
    "evaluate",
    "fisher_exact",
    "holm",
    "interval_of",
    "mcnemar_exact",
    "newcombe_independent",
    "newcombe_paired",
    "noninferiority",
    "permutation_gap",
    "permutation_p",
    "randomisation_p",
    "required_pairs",
    "swap_p",
    "two_sided_p",
    "wilson",
    "wilson_bounds",
]
