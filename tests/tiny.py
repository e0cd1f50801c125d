"""Tiny random models in transformers' layout, made once a test session in a temporary folder."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from workbench.config import Backbone, Config, build_config
from workbench.modalities.text import TextPreparation
from workbench.types import Column, Dataset, Example

WORDS = [*"the cat dog sat on mat a big red house un ##believ ##able good bad film was very not".split()]  # noqa: SIM905
SIDE = 16  # pixels of the tiny pictures
LABELS = ("bad", "fine", "good")

CNN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=3, bias=True):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        )
        self.fc = nn.Linear(8, classes, bias=bias)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))

def net():
    return Net()

def five():
    return Net(5)

def without_bias():
    return Net(bias=False)

def headless():
    return nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())

def broken():
    raise RuntimeError("no weights for you")

def number():
    return 7
"""


@functools.cache
def folder() -> Path:
    """One temporary folder for the session's models."""
    held = tempfile.TemporaryDirectory(prefix="workbench-tiny-")
    _HELD.append(held)
    return Path(held.name)


_HELD: list[tempfile.TemporaryDirectory[str]] = []


def bert_tokenizer() -> Tokenizer:
    """WordPiece with BERT's special tokens around a text."""
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    machine = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    machine.normalizer = normalizers.BertNormalizer()
    machine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    machine.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    machine.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return machine


def byte_tokenizer(*merges: tuple[str, str], special: bool = True) -> Tokenizer:
    """Byte-level BPE; `merges` are pairs of its own letters. With RoBERTa's special tokens, or none at all."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters, *("".join(m) for m in merges)]
    vocabulary = {w: i for i, w in enumerate(names)}
    machine = Tokenizer(models.BPE(vocabulary, list(merges), unk_token="<unk>"))
    machine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    machine.decoder = decoders.ByteLevel()
    if special:
        machine.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    return machine


def preparation(machine: Tokenizer, *, length: int = 64, mask: str = "[MASK]", pad: str = "[PAD]") -> TextPreparation:
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    return TextPreparation(machine.to_str(), inputs, length, machine.token_to_id(pad) or 0, machine.token_to_id(mask))


@functools.cache
def model(name: str, classes: int = 3, seed: int = 0) -> Path:
    """The directory of a tiny model: bert, distilbert, roberta, vit, resnet.

    Labels are LABEL_0, ...; the weights are large enough for logits to differ.
    """
    import transformers as t

    where = folder() / f"{name}-{classes}-{seed}"
    common: dict[str, Any] = {"num_labels": classes}
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    text = {"vocab_size": 24, "max_position_embeddings": 64, "pad_token_id": 0}
    made = {
        "bert": lambda: t.BertForSequenceClassification(t.BertConfig(**wide, **text, **common)),
        "distilbert": lambda: t.DistilBertForSequenceClassification(
            t.DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=48, **text, **common)
        ),
        "roberta": lambda: t.RobertaForSequenceClassification(
            t.RobertaConfig(
                **wide, vocab_size=261, max_position_embeddings=40, pad_token_id=1, type_vocab_size=1, **common
            )
        ),
        "vit": lambda: t.ViTForImageClassification(t.ViTConfig(**wide, image_size=SIDE, patch_size=4, **common)),
        "resnet": lambda: t.ResNetForImageClassification(
            t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **common)
        ),
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = made[name]()
        with torch.no_grad():
            for n, p in module.named_parameters():
                if p.ndim > 1:
                    p.mul_(6.0 if name not in ("resnet",) else 1.5)
                elif n.endswith("bias"):
                    p.normal_(0, 0.1)
    module.save_pretrained(where)
    if name in ("bert", "distilbert"):
        t.BertTokenizerFast(tokenizer_object=bert_tokenizer()).save_pretrained(where)
    elif name == "roberta":
        marks = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "unk": "<unk>", "pad": "<pad>"}
        marks |= {"mask": "<mask>"}
        t.PreTrainedTokenizerFast(
            tokenizer_object=byte_tokenizer(),
            model_input_names=["input_ids", "attention_mask"],
            **{f"{k}_token": v for k, v in marks.items()},
        ).save_pretrained(where)
    else:
        settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}}
        (where / "preprocessor_config.json").write_text(json.dumps(settings))
    return where


@functools.cache
def factory() -> Path:
    """A file with factories of the user's own modules."""
    path = folder() / "own_models.py"
    path.write_text(CNN)
    return path


def backbone(**keys: Any) -> Backbone:
    return Backbone(**keys)


def config(task: str = "text-classification", **sections: Any) -> Config:
    return build_config({"task": task, "data": {"source": "memory"}, **sections})


def load(name: str, labels: tuple[str, ...] = LABELS, **keys: Any) -> tuple[Any, Any]:
    """(backbone, preparation) of a tiny model, fresh heads drawn from seed 0."""
    from workbench.backbones import hf

    torch.manual_seed(0)
    read = hf.load_image if name in ("vit", "resnet") else hf.load_text
    return read(Backbone(source=str(model(name)), **keys), labels)


def texts(n: int, seed: int = 0) -> list[str]:
    """Sentences of two to nine known words."""
    rng = np.random.default_rng(seed)
    known = [w for w in WORDS if not w.startswith("##")]
    return [" ".join(rng.choice(known, rng.integers(2, 10))) for _ in range(n)]


def pictures(n: int, side: int = SIDE, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8))


COLUMNS = (
    Column("age", "numeric", unit="years"),
    Column("colour", "categorical", ("blue", "green", "red")),
    Column("income", "numeric"),
    Column("town", "categorical", ("north", "south")),
)


def table(n: int = 80, seed: int = 0, *, classes: bool = True) -> Dataset:
    """A table with missing cells; the target follows age and colour."""
    rng = np.random.default_rng(seed)
    examples = []
    for i in range(n):
        row: dict[str, Any] = {
            "age": float(rng.normal(50, 10)),
            "colour": str(rng.choice(COLUMNS[1].categories)),
            "income": None if i % 7 == 3 else float(rng.lognormal(8)),
            "town": None if i % 11 == 5 else str(rng.choice(COLUMNS[3].categories)),
        }
        score = (row["age"] - 50) / 10 + (row["colour"] == "red")
        target = int(score > 0.3) if classes else 100.0 + 20 * score
        split = "train" if i < n // 2 else "validation" if i < 3 * n // 4 else "test"
        examples.append(Example(f"r{i}", row, target, split))
    return Dataset("table", "table", tuple(examples), ("no", "yes") if classes else (), COLUMNS)


def inputs(name: str, n: int, seed: int = 0) -> list[Any]:
    """Random inputs for a tiny model."""
    return pictures(n, seed=seed) if name in ("vit", "resnet", "own") else texts(n, seed=seed)


def modality(name: str) -> Any:
    from workbench.modalities import image, text

    return image if name in ("vit", "resnet", "own") else text
