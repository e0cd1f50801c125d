"""Small data sets that need no download: `fixture:NAME` in a config, one function each.

Each function takes the seed of the splits and returns a `Dataset`; what is read comes with
an installed package, what is generated (`workbench.data.planted`) has a known answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.documentation import scipy_docs
from workbench.data.planted import planted_columns, planted_keyword, planted_patch
from workbench.data.stratify import assign_splits
from workbench.errors import MissingDependency
from workbench.types import Column, Dataset, Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "breast_cancer",
    "diabetes",
    "digits",
    "enlarge",
    "planted_columns",
    "planted_keyword",
    "planted_patch",
    "scipy_docs",
]

STRATIFIED = "drawn at random within each class (65 % training, 15 % validation, 20 % test)"
DRAWN = "drawn at random (65 % training, 15 % validation, 20 % test)"

# (short name in scikit-learn, readable name, unit); the source names the unit of age alone.
_DIABETES = (
    ("age", "age", "years"),
    ("sex", "sex", ""),
    ("bmi", "body mass index", ""),
    ("bp", "average blood pressure", ""),
    ("s1", "total serum cholesterol", ""),
    ("s2", "low-density lipoproteins", ""),
    ("s3", "high-density lipoproteins", ""),
    ("s4", "total cholesterol / HDL", ""),
    ("s5", "log of serum triglycerides", ""),
    ("s6", "blood sugar level", ""),
)


def digits(seed: int) -> Dataset:
    """1,797 handwritten digits as 32×32 pictures, light on dark.

    Source: the test part of the Optical Recognition of Handwritten Digits data set
    (E. Alpaydin and C. Kaynak, 1998, UCI), as it comes with scikit-learn.

    Raises:
        MissingDependency: scikit-learn is not installed.
    """
    bunch = _load("load_digits")
    labels = tuple(str(name) for name in bunch.target_names)
    splits = assign_splits(bunch.target, seed)
    examples = tuple(
        Example(f"digit-{i:04d}", enlarge(counts), int(target), split)
        for i, (counts, target, split) in enumerate(zip(bunch.images, bunch.target, splits, strict=True))
    )
    notes = (
        "The pictures are the test part of the Optical Recognition of Handwritten Digits data set "
        "(E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository, CC BY 4.0), as it comes with scikit-learn.",
        "The source cut each digit out of a form, scaled it to 32×32 black or white pixels and kept the number of "
        "ink pixels in each 4×4 block: 8×8 counts from 0 to 16.",
        "Here the 8×8 counts are set into a frame of empty blocks and enlarged smoothly to 32×32 grey pixels, "
        "ink light on dark.",
        "43 people wrote the whole data set, 13 of them this part; the source does not say who wrote which digit, so "
        "one hand is likely to be in both training and test, and a new writer may be harder than the test split.",
    )
    return Dataset("digits", "image", examples, labels, target="digit", notes=notes, split_method=STRATIFIED)


def enlarge(counts: NDArray[Any]) -> NDArray[np.uint8]:
    """Enlarge (8, 8) ink counts of 0..16 to a (32, 32, 3) uint8 picture.

    A ring of empty blocks is set around the counts, which are scaled to 0..255 and enlarged
    by bicubic interpolation; the three channels are equal.
    """
    from PIL import Image

    framed = np.pad(np.asarray(counts, dtype=np.float64), 1)
    grey = Image.fromarray(np.rint(framed * (255 / 16)).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
    return np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)


def breast_cancer(seed: int) -> Dataset:
    """569 breast-mass biopsies, malignant or benign, by 30 measurements of cell nuclei.

    Source: Breast Cancer Wisconsin (Diagnostic) (W. Wolberg, W. N. Street and
    O. Mangasarian, 1995, UCI), as it comes with scikit-learn.

    Raises:
        MissingDependency: scikit-learn is not installed.
    """
    bunch = _load("load_breast_cancer")
    names = [str(name) for name in bunch.feature_names]
    splits = assign_splits(bunch.target, seed)
    examples = tuple(
        Example(f"biopsy-{i:03d}", dict(zip(names, map(float, row), strict=True)), int(target), split)
        for i, (row, target, split) in enumerate(zip(bunch.data, bunch.target, splits, strict=True))
    )
    notes = (
        "The rows are the Breast Cancer Wisconsin (Diagnostic) data set (W. Wolberg, W. N. Street and "
        "O. Mangasarian, 1995, UCI Machine Learning Repository, CC BY 4.0), as it comes with scikit-learn.",
        "Each row is the digitised image of one fine needle aspirate of a breast mass: mean, standard error and "
        '"worst" (mean of the three largest) of ten measurements of the cell nuclei.',
        "The source states no units, and many columns say nearly the same (radius, perimeter, area), so credit for "
        "one of them may fall on another.",
    )
    return Dataset(
        "breast-cancer",
        "table",
        examples,
        tuple(str(name) for name in bunch.target_names),
        tuple(Column(name, "numeric") for name in names),
        target="diagnosis",
        notes=notes,
        split_method=STRATIFIED,
    )


def diabetes(seed: int) -> Dataset:
    """Disease progression of 442 diabetes patients after one year, by ten baseline values.

    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression,
    Annals of Statistics 32 (2004), as it comes with scikit-learn, unscaled.

    Raises:
        MissingDependency: scikit-learn is not installed.
    """
    bunch = _load("load_diabetes", scaled=False)
    position = {short: i for i, short in enumerate(bunch.feature_names)}
    # The source's two sexes are codes, not amounts: a category, whatever the array holds.
    columns = tuple(
        Column(name, "categorical", ("1", "2")) if short == "sex" else Column(name, "numeric", unit=unit)
        for short, name, unit in _DIABETES
    )
    splits = assign_splits(np.zeros(len(bunch.target)), seed)
    examples = []
    for i, (row, target, split) in enumerate(zip(bunch.data, bunch.target, splits, strict=True)):
        cells: dict[str, float | str] = {
            name: str(int(row[position[short]])) if short == "sex" else float(row[position[short]])
            for short, name, _ in _DIABETES
        }
        examples.append(Example(f"patient-{i:03d}", cells, float(target), split))
    notes = (
        "The rows are the diabetes study of B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (Least Angle "
        "Regression, Annals of Statistics, 2004), as it comes with scikit-learn, without its scaling.",
        "The source gives no licence; scikit-learn, which distributes the table, is under the BSD 3-clause licence.",
        "The target is a quantitative measure of disease progression one year after baseline; the source calls it no "
        'more than that, so its unit here is "points".',
        "The source codes sex as 1 and 2 and does not say which is which.",
        'The source says that its column s5 is "possibly" the log of serum triglycerides, and gives a unit for age '
        "alone.",
    )
    return Dataset(
        "diabetes",
        "table",
        tuple(examples),
        columns=columns,
        target="disease progression",
        unit="points",
        notes=notes,
        split_method=DRAWN,
    )


def _load(name: str, **options: Any) -> Any:
    """What `sklearn.datasets.<name>` returns."""
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingDependency("scikit-learn", "this fixture", install="workbench[demo]") from None
    return getattr(datasets, name)(**options)
