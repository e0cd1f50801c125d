"""Signing a run's manifest and sealing the run: who vouches for it, and that it stays as it is.

A signature is Ed25519 (RFC 8032) over the bytes of `manifest.json`, which holds the hash of
every other file. The private key is read from a PEM file and never written anywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ArtefactError, GateFailed, MissingDependency, UsageError
from workbench.run import MANIFEST, SEAL, SIGNATURE, Run, hash_file, json_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSWORD = "WORKBENCH_KEY_PASSWORD"  # environment variable with the password of an encrypted key
_MAKE = "openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out key.pub.pem"


def sign(run: Run, key: Path) -> dict[str, Any]:
    """Write `signature.json`: the manifest's hash, its signature and the public key.

    Args:
        run: whose files are what the manifest says.
        key: PEM file of an Ed25519 private key.

    Raises:
        GateFailed: a file is not what the manifest says; nothing is signed then.
        UsageError: the key cannot be used.
    """
    _refuse_damage(run, "signed")
    private = _private(key)
    content = (run.path / MANIFEST).read_bytes()
    found = {
        "algorithm": "Ed25519",
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
        "signature": base64.b64encode(private.sign(content)).decode(),
        "public_key": _public_text(private.public_key()),
    }
    run.write_json(SIGNATURE, found)
    return found


def seal(run: Run) -> dict[str, Any]:
    """Write `seal.json`; from then on every command that would change the run is refused.

    Raises:
        GateFailed: a file is not what the manifest says.
        UsageError: it is sealed already.
    """
    if run.sealed:
        raise UsageError(f"{run.path} is sealed already", hint="`workbench verify RUN` checks it")
    with run.lock():
        _refuse_damage(run, "sealed")
        found = {"manifest_sha256": hash_file(run.path / MANIFEST)}
        run.write_json(SEAL, found)
    return found


def check(run: Run, key: Path | None = None) -> list[str]:
    """What is wrong with a run's seal and signature; empty where all is well or there are none.

    Without `key` a signature is checked with the public key that it carries: it then says that
    nothing changed since somebody signed, not who.

    Args:
        key: PEM file of the public key of whoever should have signed; a run without a
            signature is then a problem.
    """
    problems = []
    now = hash_file(run.path / MANIFEST)
    for name in (SEAL, SIGNATURE):
        if run.has(name):
            stored = _stored(run, name)
            if stored is None:
                problems.append(f"{name} has changed")
            elif stored["manifest_sha256"] != now:
                problems.append(f"{name} is of another manifest")
    if not run.has(SIGNATURE):
        return [*problems, f"{SIGNATURE} is missing: the run is not signed"] if key is not None else problems
    stored = _stored(run, SIGNATURE)
    if stored is None:
        return problems
    asked = None if key is None else _public(key)
    if asked is not None and stored["public_key"] != _public_text(asked):
        problems.append(f"{SIGNATURE} is by another key than {key}")
    elif not _valid(run, stored):
        problems.append(f"{SIGNATURE} does not fit the manifest")
    return problems


def _refuse_damage(run: Run, what: str) -> None:
    problems = run.verify()
    if problems:
        raise GateFailed(
            f"{run.path} is not {what}: {'; '.join(problems[:5])}",
            hint="run the config again to rebuild what is damaged",
        )


_KEYS = {SEAL: {"manifest_sha256"}, SIGNATURE: {"algorithm", "manifest_sha256", "signature", "public_key"}}


def _stored(run: Run, name: str) -> dict[str, Any] | None:
    """A seal or signature as it was written, to the byte; None where it no longer is."""
    try:
        found = run.read_json(name)
    except ArtefactError:
        return None
    if not isinstance(found, dict) or set(found) != _KEYS[name] or not all(isinstance(v, str) for v in found.values()):
        return None
    as_written = (run.path / name).read_bytes() == json_bytes(found)
    return found if as_written and found.get("algorithm", "Ed25519") == "Ed25519" else None


def _valid(run: Run, stored: dict[str, Any]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(stored["public_key"], validate=True)
        signature = base64.b64decode(stored["signature"], validate=True)
        # b64decode takes spare bits of the last letter as they come: only one spelling is ours
        if (base64.b64encode(raw).decode(), base64.b64encode(signature).decode()) != (
            stored["public_key"],
            stored["signature"],
        ):
            return False
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, (run.path / MANIFEST).read_bytes())
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def _public_text(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes_raw()).decode()


def _private(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    password = os.environ.get(PASSWORD)
    try:
        key = load_pem_private_key(_pem(path), password.encode() if password else None)
    except TypeError:  # the library's word for a password that lacks, or that is not wanted
        wanted = f"needs its password in {PASSWORD}" if not password else f"has no password, but {PASSWORD} is set"
        raise UsageError(f"{path} {wanted}", hint="or give a key without one") from None
    except ValueError:
        raise UsageError(f"{path} is no private key in PEM form, or the password is wrong", hint=_MAKE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is a private key of another kind than Ed25519", hint=_MAKE)
    return key


def _public(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _pem(path)
    try:
        key = load_pem_public_key(content)
    except ValueError:
        private = b"PRIVATE KEY" in content
        what = "holds a private key; the public one is asked for" if private else "is no public key in PEM form"
        raise UsageError(f"{path} {what}", hint="openssl pkey -in key.pem -pubout -out key.pub.pem") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} is a public key of another kind than Ed25519", hint=_MAKE)
    return key


def _pem(path: Path) -> bytes:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingDependency("cryptography", "signing", install="'workbench[sign]'") from None
    if not path.is_file():
        raise UsageError(f"there is no key at {path}", hint=_MAKE)
    return path.read_bytes()
