"""How texts go into a foreign file: as they are, or through the tokenizer that it was trained with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.backbones.contract import Feed
from workbench.backbones.contract_ports import Inputs, after_input, shape_text
from workbench.backbones.signature import Signature
from workbench.config_audit import Audit
from workbench.errors import UsageError
from workbench.modalities.strings import StringPreparation
from workbench.modalities.text import TextPreparation
from workbench.types import Column

_TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_WORDS = {"attention_mask": ("mask",), "token_type_ids": ("type", "segment")}
_LONGEST = 512  # tokens, where neither file nor tokenizer says


def text_inputs(signature: Signature, wanted: Audit, columns: Sequence[Column], folder: Path) -> Inputs:
    """How texts go into a file; see `infer_inputs`."""
    strings = [p for p in signature.inputs if p.dtype == "str"]
    if strings:
        if len(signature.inputs) > 1:
            raise UsageError(
                f"the file takes {', '.join(map(shape_text, signature.inputs))}, not one text",
                hint="a model of several columns is a tabular task: name it with --task",
            )
        feed = Feed(strings[0].name, "str", strings[0].shape, ("text",))
        return Inputs((feed,), StringPreparation(), ("The file takes the text itself.",))
    feeds = []
    for port in signature.inputs:
        name = (wanted.inputs.get(port.name) or (_token_input(port.name),))[0]
        if name not in _TEXT_INPUTS or port.dtype not in ("int64", "int32"):
            raise UsageError(
                f"input {after_input(port)} of type {port.dtype} is none that a tokenizer fills",
                hint=f"say what it takes: --set audit.inputs.{port.name}='[\"input_ids\"]' (or attention_mask, "
                "token_type_ids); others cannot be audited",
            )
        feeds.append(Feed(port.name, port.dtype, port.shape, (name,)))
    taken = [f.takes[0] for f in feeds]
    if "input_ids" not in taken or len(set(taken)) < len(taken):
        raise UsageError(
            f"of the inputs {', '.join(f.name for f in feeds)} it is not clear which one takes the tokens",
            hint=f"--set audit.inputs.{feeds[0].name}='[\"input_ids\"]'",
        )
    lengths = {f.shape[1] for f in feeds if len(f.shape) > 1 and f.shape[1] is not None}
    fixed = min((size for size in lengths if size), default=0)
    document, where = _tokenizer(wanted.tokenizer, folder)
    said = [f"The tokenizer was read from {where}."]
    limit = wanted.max_length or fixed or (document.get("truncation") or {}).get("max_length") or _LONGEST
    if fixed:
        said.append(f"Every text is filled up to {fixed} tokens, the one length that the file takes.")
        limit = min(limit, fixed)
    said.append(f"Texts are cut after {limit} tokens.")
    pad, mask = (_special(document, names) for names in (("[PAD]", "<pad>", "<|endoftext|>"), ("[MASK]", "<mask>")))
    pad = (document.get("padding") or {}).get("pad_id", pad)
    names = tuple(n for n in _TEXT_INPUTS if n in taken)
    preparation = TextPreparation(json.dumps(document, ensure_ascii=False), names, int(limit), int(pad or 0), mask)
    return Inputs(tuple(feeds), preparation, tuple(said))


def _token_input(name: str) -> str:
    plain = name.lower()
    return next((known for known, words in _WORDS.items() if any(w in plain for w in words)), _ids(plain))


def _ids(plain: str) -> str:
    return "input_ids" if "position" not in plain and ("id" in plain or "token" in plain or "input" in plain) else ""


def _tokenizer(given: str, folder: Path) -> tuple[dict[str, Any], str]:
    """A tokenizers JSON document, and where it was."""
    asked = 'give its folder or file: --preprocess "tokenizer=DIR"'
    places = [Path(given)] if given else [folder, folder.parent]
    for place in places:
        file = place / "tokenizer.json" if place.is_dir() else place
        if file.is_file():
            try:
                document = json.loads(file.read_text(encoding="utf-8"))
            except (UnicodeDecodeError, json.JSONDecodeError) as e:
                raise UsageError(f"{file} is no tokenizer: {e}", hint=asked) from None
            if not isinstance(document, dict) or "model" not in document:
                raise UsageError(f"{file} is no tokenizer: it has no model", hint=asked)
            return document, str(file) if given else f"{file.name}, which lies beside the model"
    if given and Path(given).is_dir():
        return _converted(Path(given)), given
    if given:
        raise UsageError(f"no tokenizer at {given}", hint=asked)
    raise UsageError("the file takes tokens, and no tokenizer.json lies beside it", hint=asked)


def _converted(folder: Path) -> dict[str, Any]:
    """A tokenizer of older files (vocab.txt, ...) as transformers reads it."""
    from transformers import AutoTokenizer

    try:
        machine = getattr(AutoTokenizer.from_pretrained(folder), "backend_tokenizer", None)
        document: dict[str, Any] = json.loads(machine.to_str())  # type: ignore[union-attr]
    except Exception as e:  # transformers raises many kinds
        raise UsageError(
            f"{folder} holds no tokenizer that can be read: {str(e).splitlines()[0][:200]}",
            hint="save it so that tokenizer.json is among its files",
        ) from None
    return document


def _special(document: dict[str, Any], names: tuple[str, ...]) -> int | None:
    added = {t.get("content"): t.get("id") for t in document.get("added_tokens") or ()}
    vocabulary = document["model"].get("vocab")
    if isinstance(vocabulary, dict):
        added = {**{n: vocabulary[n] for n in names if n in vocabulary}, **added}
    return next((int(added[n]) for n in names if added.get(n) is not None), None)
