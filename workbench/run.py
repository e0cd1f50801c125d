"""The run directory: everything a run keeps, written atomically and hashed.

Disk is the interface between stages. A file appears under its name only when it is whole
(written beside and renamed). The manifest is written last and lists the hash of every
file, so a stage counts as done only when its manifest entry stands and its files match.

Schema: `SCHEMA` is raised by one whenever a reader of the older one would misread a file;
a run of a newer schema is refused by name, an older one is read or refused with the
command that rebuilds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import ArtefactError, StageError, UsageError
from workbench.jsontext import json_text
from workbench.locking import LOCK, cannot_write, hold

SCHEMA = 1
MANIFEST = "manifest.json"
CONFIG = "config.toml"
# Written about a run after the fact: no part of what is judged.
ABOUT = ("gate.json", "report.html", "compare.html", "report.json", "model_card.md", "workbench.junit.xml")
SEAL = "seal.json"
SIGNATURE = "signature.json"
BESIDE = (SEAL, SIGNATURE)  # speak of the manifest, so they cannot stand in it; see workbench.sealing
PRINTED = ("report.pdf", "compare.pdf")  # printed from the page beside it, whenever somebody asks
INSPECTED = "inspect/"  # pages of single predictions, made whenever somebody asks
ADDED = "is not in the manifest"  # what `verify` says of a file that no stage wrote
UNHASHED = "has no hash of its own, like those of earlier versions"
_REDOING = "redoing"  # in the manifest: stages that were begun again, and what they had written
_START_AGAIN = "restore it, or delete it and run the config again"


def digest(value: Any) -> str:
    """SHA-256 of a JSON value with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def json_bytes(value: Any) -> bytes:
    """A JSON value as this program writes it; NaN and infinity are refused."""
    return (json_text(value) + "\n").encode()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as e:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        refused = cannot_write(path, e)
        raise refused from e
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class Run:
    """One run's directory."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | Path) -> Run:
        """Make the directory (or take an existing run's) for writing."""
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise UsageError(f"{run.path} is a file", hint="choose another name with --set name=NAME")
        ours = any((run.path / name).exists() for name in (MANIFEST, CONFIG, LOCK))
        if run.path.is_dir() and not ours and any(run.path.iterdir()):
            raise UsageError(
                f"{run.path} holds other files and no run", hint="choose another name with --set name=NAME"
            )
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            refused = cannot_write(run.path, e)
            raise refused from e
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run; its manifest must be readable and not newer than this program."""
        run = cls(path)
        if not run.path.is_dir():
            raise ArtefactError(f"no run at {run.path}", hint="name a run's directory, such as reports/NAME")
        run.manifest  # noqa: B018 - raises where it cannot be read
        return run

    # -- reading ----------------------------------------------------------------------

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest; raises `ArtefactError` where it is missing, damaged or newer."""
        path = self.path / MANIFEST
        if not path.exists():
            raise ArtefactError(f"{self.path} has no {MANIFEST}", hint="start it again with `workbench run CONFIG`")
        manifest = self.read_json(MANIFEST)
        if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
            raise ArtefactError(f"{path} is not a manifest", hint=_START_AGAIN)
        if manifest["schema"] > SCHEMA:
            raise ArtefactError(
                f"{path} has schema {manifest['schema']}, this workbench reads up to {SCHEMA}",
                hint="pip install --upgrade workbench",
            )
        if not all(isinstance(manifest.get(key), dict) for key in ("stages", "files")):
            raise ArtefactError(f"{path} lacks its stages or files", hint=_START_AGAIN)
        return manifest

    @property
    def sealed(self) -> bool:
        """Whether the run was sealed: nothing of it may be written again."""
        return self.has(SEAL)

    def has(self, name: str) -> bool:
        """Whether the run has a file of this name."""
        return (self.path / name).is_file()

    def read_json(self, name: str) -> Any:
        """A JSON file of the run."""
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtefactError(f"{path} is missing", hint=f"run `workbench run` on {self.path} again") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as e:
            raise ArtefactError(f"{path} is damaged: {e}", hint="delete it and run the config again") from None

    # -- writing ----------------------------------------------------------------------

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file atomically; NaN and infinity are refused."""
        write_atomically(self.path / name, json_bytes(value))

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest with a hash of its own content, by which `verify` finds any change of it."""
        rest = {key: value for key, value in manifest.items() if key != "sha256"}
        self.write_json(MANIFEST, {**rest, "sha256": digest(rest)})

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file atomically."""
        write_atomically(self.path / name, content)

    def files(self, *under: str) -> list[str]:
        """Relative names of the files under some folders or names, sorted; partial ones left out."""
        found = []
        for name in under or ("",):
            path = self.path / name
            paths = [path] if path.is_file() else path.rglob("*")
            found += [
                p.relative_to(self.path).as_posix()
                for p in paths
                if p.is_file() and not p.name.startswith(".") and "/.partial/" not in p.as_posix()
            ]
        return sorted(set(found) - {MANIFEST})

    # -- stages -----------------------------------------------------------------------

    def begin(self, **identity: Any) -> None:
        """Write or refresh the manifest's identity: task, seed, packages, git, device, ..."""
        old = self.manifest if self.has(MANIFEST) else {"stages": {}, "files": {}}
        own = {CONFIG: hash_file(self.path / CONFIG)} if self.has(CONFIG) else {}
        files = dict(sorted({**old["files"], **own}.items()))
        self.write_manifest({**old, "files": files, "schema": SCHEMA, **identity})

    def hashes(self, *under: str) -> dict[str, str]:
        """What the manifest says of the files that have these names or lie in folders of these names."""
        folders = tuple(f"{name}/" for name in under)
        return {n: sha for n, sha in self.manifest["files"].items() if n in under or n.startswith(folders)}

    def fresh(self, stage: str, key: str, inputs: Mapping[str, str] | None = None) -> bool:
        """Whether a stage was done with this key, from these inputs, and its files are still what they were.

        Args:
            stage: its name.
            key: of what was asked.
            inputs: hashes of the files that it reads; None where it reads none of the run's.
        """
        if not self.has(MANIFEST):
            return False
        manifest = self.manifest
        entry = manifest["stages"].get(stage)
        if entry is None or entry["key"] != key or entry.get("inputs", inputs) != inputs:
            return False
        for name in entry["outputs"]:
            path = self.path / name
            if not path.is_file() or hash_file(path) != manifest["files"].get(name):
                return False
        return True

    @contextlib.contextmanager
    def stage(
        self, name: str, key: str, outputs: tuple[str, ...], inputs: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Do a stage; on success its outputs (files or folders) are hashed into the manifest.

        Only files that the stage wrote before and writes no more leave the manifest: any other
        that is missing stays listed, for `verify` to find. The mapping that is yielded takes
        further facts for the stage's entry.

        Args:
            name: of the stage.
            key: of what was asked.
            outputs: files and folders that it writes.
            inputs: hashes of the files that it reads, as of `fresh`.
        """
        manifest = self.manifest
        before = manifest["stages"].pop(name, None)
        if before is not None:  # what is being rewritten no longer counts as done
            manifest.setdefault(_REDOING, {})[name] = before["outputs"]
            self.write_manifest(manifest)
        begun = time.perf_counter()
        entry: dict[str, Any] = {}
        yield entry
        manifest = self.manifest
        written = set(manifest.get(_REDOING, {}).pop(name, ()))
        if not manifest.get(_REDOING, True):
            del manifest[_REDOING]
        done = self.files(*outputs)
        others = {n for other in manifest["stages"].values() for n in other["outputs"]}
        entry |= {"key": key, "outputs": done, "seconds": round(time.perf_counter() - begun, 3)}
        if inputs is not None:
            entry["inputs"] = dict(inputs)
        manifest["stages"][name] = entry
        hashes = {n: sha for n, sha in manifest["files"].items() if n not in written - others}
        hashes |= {n: hash_file(self.path / n) for n in done}
        manifest["files"] = dict(sorted(hashes.items()))
        self.write_manifest(manifest)

    def verify(self) -> list[str]:
        """What is not as the manifest says: files missing, changed or added, stages made from others.

        A manifest that was edited has changed too, unless its own hash was made anew: against
        that only a signature helps. Pages below `inspect/` belong to no manifest.
        """
        manifest = self.manifest
        rest = {key: value for key, value in manifest.items() if key != "sha256"}
        whole = manifest.get("sha256") == digest(rest)
        as_written = (self.path / MANIFEST).read_bytes() == json_bytes(manifest)
        said = "has changed" if "sha256" in manifest else UNHASHED
        problems = [] if whole and as_written else [f"{MANIFEST} {said}"]
        for name, expected in manifest["files"].items():
            path = self.path / name
            if not path.is_file():
                problems.append(f"{name} is missing")
            elif hash_file(path) != expected:
                problems.append(f"{name} has changed")
        for stage, entry in manifest["stages"].items():
            others = [n for n, sha in (entry.get("inputs") or {}).items() if manifest["files"].get(n) != sha]
            if others:
                problems.append(f"{stage} was made from another {others[0]}")
        known = {*manifest["files"], *BESIDE, *PRINTED}
        added = [name for name in self.files() if name not in known and not name.startswith(INSPECTED)]
        return problems + [f"{name} {ADDED}" for name in added]

    def files_sha256(self) -> str:
        """Hash of the manifest's list of files, those `ABOUT` the run left out: what a gate has judged."""
        return digest({name: sha for name, sha in self.manifest["files"].items() if name not in ABOUT})

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing; a second process is told who holds it, and a sealed run is refused."""
        if self.sealed:
            raise StageError(
                f"{self.path} is sealed and cannot be changed", hint="choose another name with --set name=NAME"
            )
        with hold(self.path):
            yield
