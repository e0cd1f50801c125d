"""Which example is trained on: split names, seeded stratified draws, and the sentence that says how."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
}
BINS = 5  # a value is stratified by fifths of its distribution

Rows = NDArray[np.int64]
Targets = Sequence[str | float | tuple[str, ...]]


@dataclass(frozen=True)
class Shares:
    """How much is drawn where a split is not given, and what the draw respects."""

    validation: float
    test: float
    seed: int
    group: str = ""  # the column whose values stay on one side
    keep_validation: bool = False  # a lone validation split stays one: the test split is drawn


def assign_splits(
    given: Sequence[str], targets: Targets, groups: Sequence[str], shares: Shares
) -> tuple[list[str], str]:
    """The split of every example, and a sentence that says how it came about.

    Splits that are given stay. Without any, test and validation are drawn; with training and
    test only, validation is drawn from training; with training and validation only, the given
    validation split becomes the test split (results are reported on what nothing was chosen
    by) unless `shares.keep_validation`.

    Args:
        given: "train", "validation", "test" or "" of each example.
        targets: the label, labels or value of each example; what the draw is stratified by.
        groups: the group of each example; used where `shares.group` is named.
        shares: how much is drawn, and the seed.

    Raises:
        DataError: there is no training split, or too little of it to draw from.
    """
    splits = np.array([s or "train" for s in given], dtype=object)
    names = set(splits)
    if "train" not in names:
        raise DataError(
            f"no training split: the data has {', '.join(sorted(names))} only", hint="add a split named train"
        )
    sentences = []
    rng = np.random.default_rng(shares.seed)

    def draw(name: str, share: float) -> None:
        rows = np.flatnonzero(splits == "train")
        drawn = _draw(rows, targets, groups, share, shares, rng)
        if not 0 < len(drawn) < len(rows):
            raise DataError(
                f"{len(rows)} training examples are too few to draw a {name} split from",
                hint="bring more examples, or give the splits as files of their own",
            )
        splits[drawn] = name
        how = _how(targets, shares.group)
        sentences.append(f"{len(drawn):,} of {len(rows):,} training examples are drawn as the {name} split ({how})")

    if names == {"train", "validation"} and not shares.keep_validation:
        splits[splits == "validation"] = "test"
        sentences.append("the given validation split is used as the test split, because no test split was given")
    elif "test" not in names:
        draw("test", shares.test)
    if "validation" not in splits:
        whole = 1 - shares.test if names == {"train"} else 1.0  # both shares are of all that was given
        draw("validation", min(shares.validation / whole, 0.9))
    if not sentences:
        return splits.tolist(), "Training, validation and test split as given."
    given_names = [n for n in ("train", "validation", "test") if n in names and any(given)]
    start = f"Given: {' and '.join(given_names)}; " if given_names else "No split is given; "
    seed = f", seed {shares.seed}" if any("drawn" in s for s in sentences) else ""
    return splits.tolist(), start + "; ".join(sentences) + seed + "."


def limit_splits(splits: Sequence[str], targets: Targets, limit: int, seed: int) -> Rows:
    """Rows of a stratified sample of at most `limit` examples of each split, in their order."""
    rng = np.random.default_rng([seed, limit])
    kept = []
    for name in ("train", "validation", "test"):
        rows = np.flatnonzero(np.asarray(splits, dtype=object) == name)
        if len(rows) > limit:
            rows = rows[stratified_sample(_strata([targets[int(i)] for i in rows]), limit, rng)]
        kept.append(rows)
    return np.sort(np.concatenate(kept))


def stratified_sample(strata: NDArray[np.int64], count: int, rng: np.random.Generator, *, both: bool = False) -> Rows:
    """Positions of about `count` of n examples, each stratum in proportion (largest remainder).

    scikit-learn's stratified splits refuse a class of one example and a sample smaller than
    the number of classes; here a class of one stays behind.

    Args:
        strata: (n,) stratum of each example.
        count: how many are taken; exactly so many unless `both` needs more.
        rng: the source of chance.
        both: keep one of each stratum behind, and take one of each that has two.
    """
    _, inverse, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    exact = count * sizes / len(strata)
    most = sizes - 1 if both else sizes
    least = np.minimum(1, most) if both else np.zeros_like(sizes)
    take = np.clip(np.floor(exact).astype(int), least, most)
    while take.sum() < count and (open_ := take < most).any():
        take[np.where(open_, exact - take, -np.inf).argmax()] += 1
    while take.sum() > count and (open_ := take > least).any():
        take[np.where(open_, take - exact, -np.inf).argmax()] -= 1
    drawn = [rng.permutation(np.flatnonzero(inverse == s))[:n] for s, n in enumerate(take)]
    picked: Rows = np.sort(np.concatenate(drawn))
    return picked


def _draw(
    rows: Rows,
    targets: Targets,
    groups: Sequence[str],
    share: float,
    shares: Shares,
    rng: np.random.Generator,
) -> Rows:
    strata = _strata([targets[int(i)] for i in rows])
    if not shares.group:
        return rows[stratified_sample(strata, round(share * len(rows)), rng, both=True)]
    own = np.array([groups[int(i)] for i in rows], dtype=object)
    n_groups = len(set(own))
    if n_groups < 3:
        raise DataError(
            f"column {shares.group!r} (data.group) has {n_groups} values; three splits need three",
            hint="name a column with more values, or leave data.group empty",
        )
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(
        n_splits=min(max(2, round(1 / share)), n_groups), shuffle=True, random_state=int(rng.integers(2**31))
    )
    with warnings.catch_warnings():  # a class in fewer groups than folds cannot be in all of them
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            candidates = [held for _, held in folds.split(rows, strata, own)]
        except ValueError as e:
            raise DataError(
                f"no stratified split of {len(rows)} examples by group {shares.group!r}: {e}",
                hint="give the splits as files of their own, or leave data.group empty",
            ) from None
    nearest: Rows = min(candidates, key=lambda held: abs(len(held) - share * len(rows)))
    return rows[nearest]


def _strata(targets: Targets) -> NDArray[np.int64]:
    if any(isinstance(t, tuple) for t in targets):
        targets = _rarest(targets)
    if any(isinstance(t, str) for t in targets):
        return np.asarray(np.unique([str(t) for t in targets], return_inverse=True)[1], dtype=np.int64)
    values = np.asarray(targets, dtype=np.float64)
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    return np.asarray(np.searchsorted(edges, values, side="right"), dtype=np.int64)


def _rarest(targets: Targets) -> list[str]:
    """The rarest label of each example, so that the labels that need it most are shared out evenly."""
    sets = [t if isinstance(t, tuple) else () for t in targets]
    counts = Counter(label for labels in sets for label in labels)
    return [min(labels, key=lambda label: (counts[label], label), default="") for labels in sets]


def _how(targets: Targets, group: str) -> str:
    how = "stratified by class" if any(isinstance(t, str) for t in targets) else "stratified by fifths of the target"
    if any(isinstance(t, tuple) for t in targets):
        how = "stratified by the rarest label of each example; the others as they fall"
    return f"{how}, each {group} on one side" if group else how
