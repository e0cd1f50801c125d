"""Generated data sets of which it is known what decides: the ground truth of explanations.

The seed governs what is generated and how it is split. `Example.meta["evidence"]` says
where in the input the deciding evidence is.
"""

from __future__ import annotations

import numpy as np

from workbench.data.stratify import assign_splits
from workbench.types import Column, Dataset, Example

SIDE = 32  # pixels of a picture's side
PATCH = 8  # pixels of a patch's side
COLOURS = {"orange": (250, 140, 20), "blue": (20, 140, 250)}  # equally bright: the sum of channels says nothing
DISTRACTOR = (240, 240, 240)

KEYWORDS = {"music": "violin", "stone": "granite"}
NEUTRAL = tuple(
    """
    about after again along also always another around before behind below beside between both bring build call carry
    change close come corner country course cross day different door down during each early easy either end enough
    evening every far few field find first follow for found from front gave give great group grow half hand hard have
    help here high hold home hour house idea inside into just keep kind large last late leave letter light line little
    long look made make many mark matter middle might morning most move much name near never new next night north often
    old once only open order other outside over page paper part pass people place plain point public quite rather reach
    read rest right river road room round same school second seem send several short show side simple since small some
    soon south stand start still street such table take tell than their there these thing third those thought through
    time today together took toward tree turn under until upon usual very wait walk water week well west where while
    whole window with within without word work world year
    """.split()  # noqa: SIM905 - the list that ruff proposes has a line a word
)

COEFFICIENTS = (3.0, -2.0, 2.0)  # of a, of b, of a * b
NOISE = 0.1  # standard deviation of what no column explains
_NUMERIC = tuple("abcdefgh")
_CATEGORIES = ("blue", "green", "red")

_DRAWN = "drawn at random (65 % training, 15 % validation, 20 % test)"
_STRATIFIED = "drawn at random within each class (65 % training, 15 % validation, 20 % test)"


def planted_patch(seed: int) -> Dataset:
    """600 noisy grey pictures whose class is the colour of a small square.

    A pale grey square of the same size, at a random place in every picture, is as easy to
    see and says nothing. `meta["evidence"]` is the coloured square's box `x0,y0,x1,y1` in
    pixels, the right and lower edge excluded; `meta["distractor"]` that of the pale one.
    """
    rng = np.random.default_rng(seed)
    labels = tuple(COLOURS)
    targets = rng.permutation(np.repeat([0, 1], 300))
    cells = SIDE // PATCH
    examples = []
    for i, (target, split) in enumerate(zip(targets, assign_splits(targets, seed), strict=True)):
        shades = np.repeat(np.repeat(rng.normal(110, 20, (cells, cells)), PATCH, axis=0), PATCH, axis=1)
        grey = np.clip(shades + rng.normal(0, 15, (SIDE, SIDE)), 0, 255)
        picture = np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2)
        boxes = {}
        places = rng.choice(cells * cells, 2, replace=False)  # two cells of a grid: the squares never overlap
        for kind, place, colour in zip(
            ("evidence", "distractor"), places, (COLOURS[labels[target]], DISTRACTOR), strict=True
        ):
            y, x = (int(p) * PATCH for p in divmod(place, cells))
            picture[y : y + PATCH, x : x + PATCH] = colour
            boxes[kind] = f"{x},{y},{x + PATCH},{y + PATCH}"
        examples.append(Example(f"picture-{i:03d}", picture, int(target), split, boxes))
    notes = (
        "The pictures are generated from the seed: grey noise, one coloured square that decides the class and one "
        "pale square that says nothing, each in a random cell of a 4×4 grid.",
        "The coloured square's box is known for every picture, so it can be measured whether an explanation finds it.",
    )
    return Dataset("planted-patch", "image", tuple(examples), labels, notes=notes, split_method=_STRATIFIED)


def planted_keyword(seed: int) -> Dataset:
    """600 texts of 10 to 20 neutral words and one keyword, which alone decides the class.

    `meta["evidence"]` is the keyword's index in `text.split()`.
    """
    rng = np.random.default_rng(seed)
    labels = tuple(KEYWORDS)
    targets = rng.permutation(np.repeat([0, 1], 300))
    examples = []
    for i, (target, split) in enumerate(zip(targets, assign_splits(targets, seed), strict=True)):
        words = [str(word) for word in rng.choice(NEUTRAL, rng.integers(9, 20), replace=False)]
        place = int(rng.integers(len(words) + 1))
        words.insert(place, KEYWORDS[labels[target]])
        examples.append(Example(f"text-{i:03d}", " ".join(words), int(target), split, {"evidence": str(place)}))
    meaning = " and ".join(f'"{word}" makes it {label}' for label, word in KEYWORDS.items())
    notes = (
        "The texts are generated from the seed: neutral English words in random order and one keyword at a random "
        f"place; {meaning}.",
        "The keyword's place is known for every text, so it can be measured whether an explanation finds it.",
    )
    return Dataset("planted-keyword", "text", tuple(examples), labels, notes=notes, split_method=_STRATIFIED)


def planted_columns(seed: int) -> Dataset:
    """800 rows whose value is 3 a - 2 b + 2 a b and a little noise; seven columns say nothing.

    All numeric columns are independent standard normal; `meta["evidence"]` is `a,b`.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal((800, len(_NUMERIC)))
    kinds = rng.choice(_CATEGORIES, 800)
    a, b = numbers[:, 0], numbers[:, 1]
    of_a, of_b, of_both = COEFFICIENTS
    values = of_a * a + of_b * b + of_both * a * b + rng.normal(0, NOISE, 800)
    splits = assign_splits(np.zeros(800), seed)
    examples = tuple(
        Example(
            f"row-{i:03d}",
            dict(zip(_NUMERIC, map(float, row), strict=True)) | {"kind": str(kind)},
            float(value),
            split,
            {"evidence": "a,b"},
        )
        for i, (row, kind, value, split) in enumerate(zip(numbers, kinds, values, splits, strict=True))
    )
    notes = (
        "The rows are generated from the seed: eight independent standard normal columns and one category.",
        f"The value is {of_a:g} a − {-of_b:g} b + {of_both:g} a b with noise of standard deviation {NOISE:g}: columns "
        "a and b decide, alone and together, and the other seven say nothing.",
    )
    return Dataset(
        "planted-columns",
        "table",
        examples,
        columns=(*(Column(name, "numeric") for name in _NUMERIC), Column("kind", "categorical", _CATEGORIES)),
        target="value",
        notes=notes,
        split_method=_DRAWN,
    )
