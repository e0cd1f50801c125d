"""Intervals, paired tests and corrections for many tests: pure functions of numpy arrays."""

from workbench.stats.auc import DeLong, delong
from workbench.stats.bootstrap import Drawn, Plan, Statistic, bootstrap, evaluate, two_sided_p
from workbench.stats.grouped import (
    LEAST_GROUPS,
    codes_of,
    grouped_difference,
    grouped_gap,
    grouped_mean,
    grouped_p,
    grouped_share,
    grouped_shares_differ,
    why_no_p,
)
from workbench.stats.intervals import Interval, interval_of
from workbench.stats.margins import Margin, equivalence, noninferiority, required_pairs
from workbench.stats.permutation import Gap, permutation_gap, permutation_p, permutation_ratio_p
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
    "LEAST_GROUPS",
    "DeLong",
    "Drawn",
    "Gap",
    "Interval",
    "Margin",
    "Plan",
    "Statistic",
    "bootstrap",
    "codes_of",
    "delong",
    "equivalence",
    "evaluate",
    "fisher_exact",
    "grouped_difference",
    "grouped_gap",
    "grouped_mean",
    "grouped_p",
    "grouped_share",
    "grouped_shares_differ",
    "holm",
    "interval_of",
    "mcnemar_exact",
    "newcombe_independent",
    "newcombe_paired",
    "noninferiority",
    "permutation_gap",
    "permutation_p",
    "permutation_ratio_p",
    "randomisation_p",
    "required_pairs",
    "two_sided_p",
    "why_no_p",
    "wilson",
    "wilson_bounds",
]
