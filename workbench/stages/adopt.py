"""Adopt: a model file from elsewhere, taken into the run as it is, with what is known of it and its torch twin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from workbench.backbones.contract import CONTRACT, Contract
from workbench.backbones.contract_inputs import infer_inputs
from workbench.backbones.contract_outputs import choose_output, class_columns, kind_of
from workbench.backbones.contract_rows import check_rows
from workbench.backbones.foreign import ForeignBackbone, scores_of
from workbench.backbones.onnx_file import check_file
from workbench.backbones.onnx_session import open_session
from workbench.backbones.signature import Signature, read_signature
from workbench.errors import ArtefactError, Refusal
from workbench.run import hash_file
from workbench.stages.own_labels import differing, label_output, sentence
from workbench.stages.session import Session, do_stage

TWIN = "onnx/twin.json"
TRIED = 256  # examples on which outputs are looked at and the torch twin is compared
_OUTPUTS = ("onnx/model.onnx", f"onnx/{CONTRACT}", TWIN, "onnx/providers.json")


def adopt(session: Session) -> bool:
    """Write `onnx/model.onnx`, `onnx/contract.json`, `onnx/twin.json` and `onnx/providers.json`."""

    def work(entry: dict[str, Any]) -> None:
        run, source = session.run, Path(session.config.audit.model)
        signature, _ = open_model(source, session.device)
        content = whole(source)
        run.write_bytes("onnx/model.onnx", content)
        copied = run.path / "onnx" / "model.onnx"
        contract, rows = settle_contract(session, signature, copied)
        said = contract.said
        if content != source.read_bytes():
            said = (*said, "Its weights, which lay in files of their own, were put into one file with it.")
        contract = replace(contract, said=said)
        run.write_json(f"onnx/{CONTRACT}", contract.to_json())
        session.__dict__.pop("onnx", None)
        session.__dict__.pop("tuned", None)
        run.write_json(TWIN, twin_of(session, contract, rows))
        run.write_json("onnx/providers.json", session.onnx.describe())
        for line in contract.said:
            session.progress.say(f"  {line}")

    return do_stage(session, "adopt", work, _OUTPUTS)


def open_model(path: Path, device: str = "cpu") -> tuple[Signature, Any]:
    """What a file says of itself, and the runtime's session on it.

    Raises:
        ArtefactError: it is missing, damaged or no model, or of types that no task takes.
    """
    check_file(path)
    session = open_session(path, device)
    return read_signature(path, session), session


def whole(path: Path) -> bytes:
    """The file's bytes; where its weights lie in files beside it, one file with all of them."""
    model = onnx.load(str(path), load_external_data=False)
    if not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        return path.read_bytes()
    try:
        content: bytes = onnx.load(str(path)).SerializeToString(deterministic=True)
    except Exception as e:  # onnx refuses paths that lead out of the folder, in an error of its own
        raise ArtefactError(
            f"{path}: its weights cannot be read: {str(e).splitlines()[0][:300]}",
            hint="keep the files of its weights beside it",
        ) from e
    return content


def settle_contract(session: Session, signature: Signature, path: Path) -> tuple[Contract, np.ndarray]:
    """The contract of a file with the run's data, and the rows of the data that were tried."""
    config, dataset, task = session.config, session.dataset, session.task
    folder = Path(config.audit.model).resolve().parent
    inputs = infer_inputs(signature, task.modality_name, config.audit, dataset.columns, folder, config.data.features)
    port = choose_output(signature, task.kind, config.audit)
    keyed = port.dtype == "map"
    keys = signature.classes if keyed else ()
    facts: dict[str, Any] = {**signature.facts, "target": dataset.target, "unit": dataset.unit}
    if task.kind == "labels":
        facts |= {"several": True, "thresholds": [0.5] * len(dataset.labels)}
    columns = class_columns(signature, task.kind)
    contract = Contract(
        feeds=inputs.feeds,
        output=port.name,
        outputs=columns if port.name == ", ".join(columns) else (),
        keyed=keyed,
        kind="logits",
        labels=dataset.labels,
        preparation=inputs.preparation.to_json(),
        keys=keys,
        batch=inputs.batch,
        layout=inputs.layout,
        channels=inputs.channels,
        sha256=hash_file(Path(config.audit.model)),
        facts=facts,
    )
    check_rows(contract, ((e.id, e.input) for e in dataset.examples))
    rows = tried(session)
    backbone = ForeignBackbone(path, contract, device=session.device)
    encoded = task.modality.encode([dataset.examples[int(i)].input for i in rows], backbone.preparation)
    batches = [range(i, min(i + 64, len(rows))) for i in range(0, len(rows), 64)]
    found = np.concatenate([backbone.answers(encoded.batch(batch)) for batch in batches])
    kind, how = kind_of(found, len(dataset.labels), task.kind, signature.last.get(port.name, ""), config.audit)
    which = f"the outputs {port.name}, one of each class" if contract.outputs else f"output {port.name}"
    said = [*inputs.said, f"The answer is read from {which}. {how}"]
    if dataset.labels:
        said.append(f"The names of the classes: {config.audit.labels_from or 'as the config gives them'}.")
    contract = replace(contract, kind=kind)
    own = label_output(signature, contract.read) if task.kind == "class" else None
    if own is not None:
        given = [v for batch in batches for v in backbone.labels(encoded.batch(batch), own.name)]
        differ = differing(given, scores_of(found, contract), dataset.labels, signature.classes)
        if differ is not None:
            said.append(sentence(own.name, len(rows), differ))
            facts["own_labels"] = {"output": own.name, "n": len(rows), "differ": differ}
    return replace(contract, said=tuple(said), facts=facts), rows


def tried(session: Session) -> np.ndarray:
    """Positions of the examples that are tried: of the test split first, every split where it is small."""
    rows = np.concatenate([session.rows("test"), session.rows("validation"), session.rows("train")])
    return rows[:TRIED]


def twin_of(session: Session, contract: Contract, rows: np.ndarray) -> dict[str, Any]:
    """Content of twin.json: whether the graph as torch operators answers as the file does."""
    from workbench.backbones.twin import check_twin, load_twin

    try:
        twin = load_twin(session.run.path / "onnx" / "model.onnx", contract)
        encoded = session.task.modality.encode(
            [session.dataset.examples[int(i)].input for i in rows], session.onnx.preparation
        )
        return check_twin(twin, session.onnx, encoded, session.config.audit.tolerance)
    except Refusal as e:
        return {"passed": False, "reason": e.message, "n": 0}
