"""Whole runs on tiny data, made once a session: what tests of the pipeline and the command line share."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.pipeline import run_config
from workbench.run import Run

# Small enough for seconds, large enough that every artefact is written.
TINY = (
    "export.latency_seconds=0",
    "finetune.epochs=1",
    "explain.samples=2",
    "explain.budget=32",
    "evaluate.resamples=100",
)
# What may differ between equal runs: times, and the report and manifest that print them.
DIFFERS = ("manifest.json", "timings.json", "latency.json", "report.html", "config.toml", ".lock")
KINDS = ("pictures", "texts", "classes", "values")
LABELLED = ("labelled-pictures", "labelled-texts", "labelled-rows")  # multi-label
WORDS = ("river", "stone", "window", "garden", "letter", "music", "paper", "silver", "corner", "winter")


def write_data(kind: str, folder: Path) -> Path:
    """Write the data and the config of one kind of run into a folder; the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    task, data, more = {
        "pictures": ("image-classification", 'source = "pictures"', '[backbone]\nsource = "fixture:glyphs"'),
        "texts": ("text-classification", 'source = "texts.csv"', '[backbone]\nsource = "bert"'),
        "classes": (
            "tabular-classification",
            'source = "table.csv"\ntarget = "good"\nignore = ["price"]\nslices = ["colour"]',
            "",
        ),
        "values": ("tabular-regression", 'source = "table.csv"\ntarget = "price"\nignore = ["good"]\nunit = "€"', ""),
        "labelled-pictures": ("image-multilabel", 'source = "pictures"', '[backbone]\nsource = "fixture:glyphs"'),
        "labelled-texts": ("text-multilabel", 'source = "texts.jsonl"', '[backbone]\nsource = "bert"'),
        "labelled-rows": (
            "tabular-multilabel",
            'source = "table.csv"\ntargets = ["large", "warm"]\nslices = ["colour"]',
            "",
        ),
    }[kind]
    writers = {
        "pictures": write_pictures,
        "texts": write_texts,
        "labelled-pictures": write_labelled_pictures,
        "labelled-texts": write_labelled_texts,
        "labelled-rows": write_labelled_table,
    }
    writers.get(kind, write_table)(folder)
    config = folder / f"{kind}.toml"
    config.write_text(f'task = "{task}"\n\n[data]\n{data}\n\n{more}\n', encoding="utf-8")
    assert len([line for line in config.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 12
    return config


def write_pictures(folder: Path, n: int = 24) -> Path:
    """Noise, tinted red or blue: `pictures/CLASS/*.png`."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(("blue", "red")):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 160, (20, 24, 3))
            pixels[..., 0 if name == "red" else 2] += 90
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "pictures" / name / f"{k}{i:02d}.png")
    return folder / "pictures"


def write_texts(folder: Path, n: int = 48) -> Path:
    """`texts.csv` of words, of which one says the label, and a tiny BERT that knows them."""
    rng = np.random.default_rng(1)
    lines = ["text,label"]
    for i in range(n):
        words = [*rng.choice(WORDS, int(rng.integers(4, 9))), ("good", "bad")[i % 2]]
        lines.append(f"{' '.join(map(str, rng.permutation(words)))} {i},{('yes', 'no')[i % 2]}")
    (folder / "texts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_bert(folder / "bert", (*WORDS, "good", "bad"))
    return folder / "texts.csv"


def write_table(folder: Path, n: int = 60) -> Path:
    """`table.csv`: two numbers, one category and a target of each kind."""
    rng = np.random.default_rng(2)
    lines = ["size,age,colour,good,price"]
    for size, age, colour, noise in zip(
        rng.normal(size=n), rng.normal(size=n), rng.choice(["red", "green", "blue"], n), rng.normal(size=n), strict=True
    ):
        price = 100 + 30 * size - 10 * (colour == "red") + noise
        lines.append(f"{size:.4f},{age:.4f},{colour},{'yes' if size + 0.3 * noise > 0 else 'no'},{price:.3f}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "table.csv"


def write_labelled_pictures(folder: Path, n: int = 60) -> Path:
    """Noise, tinted red, blue, both or not: `pictures/metadata.csv` and the pictures beside it."""
    rng = np.random.default_rng(3)
    (folder / "pictures").mkdir()
    lines = ["file_name,labels"]
    for i in range(n):
        tints = [name for name, bit in (("red", 1), ("blue", 2)) if i & bit]
        pixels = rng.integers(0, 160, (20, 24, 3))
        for name in tints:
            pixels[..., 0 if name == "red" else 2] += 90
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "pictures" / f"{i:02d}.png")
        lines.append(f"{i:02d}.png,{';'.join(tints)}")
    (folder / "pictures" / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "pictures"


def write_labelled_texts(folder: Path, n: int = 90) -> Path:
    """`texts.jsonl` of words, some of which say a label each, and a tiny BERT that knows them."""
    rng = np.random.default_rng(4)
    lines = []
    for i in range(n):
        labels = [name for name, bit in (("fruit", 1), ("metal", 2), ("beast", 4)) if (i * 5) & bit]
        said = [{"fruit": "apple", "metal": "copper", "beast": "tiger"}[name] for name in labels]
        words = rng.permutation([*rng.choice(WORDS, int(rng.integers(4, 9))), *said])
        lines.append(json.dumps({"text": f"{' '.join(map(str, words))} {i}", "labels": labels}))
    (folder / "texts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_bert(folder / "bert", (*WORDS, "apple", "copper", "tiger"))
    return folder / "texts.jsonl"


def write_labelled_table(folder: Path, n: int = 120) -> Path:
    """`table.csv`: two numbers, one category and two columns of 0 and 1."""
    rng = np.random.default_rng(5)
    lines = ["size,age,colour,large,warm"]
    for size, age, colour, noise in zip(
        rng.normal(size=n), rng.normal(size=n), rng.choice(["red", "green", "blue"], n), rng.normal(size=n), strict=True
    ):
        lines.append(f"{size:.4f},{age:.4f},{colour},{int(size + 0.3 * noise > 0)},{int(colour != 'blue' or age > 1)}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "table.csv"


def write_bert(folder: Path, words: tuple[str, ...], *, hidden: int = 32) -> Path:
    """A BERT of two layers with random weights and a tokenizer that knows whole words."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {w: i for i, w in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words))}
    machine = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    machine.pre_tokenizer = Whitespace()
    machine.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    special = {f"{k}_token": f"[{k.upper()}]" for k in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=machine, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * hidden,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@cache
def made(kind: str) -> Run:
    """The finished run of a kind, made once; not to be changed: see `copy_of`."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return run_config(write_data(kind, folder), (*TINY, f"out={str(folder / 'out')!r}"), device="cpu")


def copy_of(kind: str, folder: Path) -> Run:
    """A copy of the finished run that a test may change."""
    source = made(kind).path
    shutil.copytree(source, folder / source.name)
    return Run.open(folder / source.name)


def config_of(kind: str) -> Path:
    """The config file of the finished run."""
    return made(kind).path.parent.parent / f"{kind}.toml"


def contents(run: Run) -> dict[str, bytes]:
    """Every file of a run that must be the same in an equal run."""
    return {
        p.relative_to(run.path).as_posix(): p.read_bytes()
        for p in sorted(run.path.rglob("*"))
        if p.is_file() and p.name not in DIFFERS and "tensorboard" not in p.parts
    }
