"""Signatures and seals: who vouches for a run, and that nothing of it changes unseen."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from workbench import sealing
from workbench.errors import GateFailed, MissingDependency, StageError, UsageError
from workbench.run import Run


def made(path: Path) -> Run:
    run = Run.create(path)
    run.begin(name=path.name, task="t")
    with run.stage("work", "key", ("x.json", "d")):
        run.write_json("x.json", [1, 2])
        run.write_bytes("d/y", bytes(range(64)))
    return run


def keys(folder: Path, name: str = "key", password: bytes | None = None) -> tuple[Path, Path, Ed25519PublicKey]:
    """PEM files of a new private key and of its public one."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    how = BestAvailableEncryption(password) if password else NoEncryption()
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public, key.public_key()


def test_a_signature_is_ed25519_over_the_bytes_of_the_manifest(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    private, public, key = keys(tmp_path)
    found = sealing.sign(run, private)
    import base64

    key.verify(base64.b64decode(found["signature"]), (run.path / "manifest.json").read_bytes())  # raises if it is not
    assert sealing.check(run) == [] and sealing.check(run, public) == [] and run.verify() == []
    assert json.loads((run.path / "signature.json").read_text()) == found
    kept = b"".join(p.read_bytes() for p in run.path.rglob("*") if p.is_file())
    assert private.read_bytes().splitlines()[1] not in kept  # the key is written nowhere


def test_another_key_and_no_signature_are_told(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    private, _, _ = keys(tmp_path)
    _, other, _ = keys(tmp_path, "other")
    assert sealing.check(run) == [] and "is missing" in sealing.check(run, other)[0]
    sealing.sign(run, private)
    assert sealing.check(run, other) == [f"signature.json is by another key than {other}"]


def test_a_manifest_made_anew_by_somebody_else_does_not_fit_the_signature(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    private, public, _ = keys(tmp_path)
    sealing.sign(run, private)
    run.write_manifest({**run.manifest, "seed": 7})
    assert run.verify() == []  # its own hash was made anew with it
    problems = sealing.check(run, public)
    assert "signature.json is of another manifest" in problems
    assert "signature.json does not fit the manifest" in problems


@pytest.mark.parametrize("name", ["manifest.json", "x.json", "d/y", "signature.json", "seal.json"])
def test_every_changed_byte_of_every_file_is_found(tmp_path: Path, name: str) -> None:
    run = made(tmp_path / "r")
    private, public, _ = keys(tmp_path)
    sealing.sign(run, private)
    sealing.seal(run)
    whole = (run.path / name).read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        (run.path / name).write_bytes(changed)
        assert problems(run, public), f"byte {place} of {name}: {whole[place]} -> {changed[place]}"
    for cut in (b"", whole[:-1], whole + b" ", whole + b"\n"):
        (run.path / name).write_bytes(cut)
        assert problems(run, public)
    (run.path / name).write_bytes(whole)
    assert not problems(run, public)


def problems(run: Run, key: Path) -> list[str]:
    try:
        return run.verify() + sealing.check(run, key)
    except Exception as e:  # a manifest that cannot be read is found as well
        assert type(e).__name__ == "ArtefactError", e
        return [str(e)]


def test_a_sealed_run_cannot_be_changed_and_damage_is_not_sealed_or_signed(tmp_path: Path) -> None:
    run = made(tmp_path / "r")
    private, _, _ = keys(tmp_path)
    (run.path / "x.json").write_text("[1]")
    for act in (lambda: sealing.seal(run), lambda: sealing.sign(run, private)):
        with pytest.raises(GateFailed, match=r"x\.json has changed"):
            act()
    assert not run.sealed and not run.has("signature.json")
    run = made(tmp_path / "s")
    sealing.seal(run)
    with pytest.raises(StageError, match="is sealed and cannot be changed"), run.lock():
        pass
    with pytest.raises(UsageError, match="sealed already"):
        sealing.seal(run)
    assert sealing.check(run) == [] and run.verify() == []


class TestKeys:
    def test_an_encrypted_key_takes_its_password_from_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = made(tmp_path / "r")
        private, public, _ = keys(tmp_path, password=b"secret")
        with pytest.raises(UsageError, match="needs its password in WORKBENCH_KEY_PASSWORD"):
            sealing.sign(run, private)
        monkeypatch.setenv(sealing.PASSWORD, "wrong")
        with pytest.raises(UsageError, match="password is wrong"):
            sealing.sign(run, private)
        monkeypatch.setenv(sealing.PASSWORD, "secret")
        sealing.sign(run, private)
        assert sealing.check(run, public) == []

    def test_what_is_no_key_or_another_kind_of_key(self, tmp_path: Path) -> None:
        run = made(tmp_path / "r")
        private, public, _ = keys(tmp_path)
        other = tmp_path / "ec.pem"
        curve = ec.generate_private_key(ec.SECP256R1())
        other.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / "text").write_text("no key")
        for path, says in (
            (tmp_path / "none", "there is no key"),
            (tmp_path / "text", "no private key"),
            (public, "no private key"),
            (other, "another kind"),
        ):
            with pytest.raises(UsageError, match=says) as caught:
                sealing.sign(run, path)
            assert caught.value.hint and not run.has("signature.json")
        sealing.sign(run, private)
        with pytest.raises(UsageError, match="holds a private key"):
            sealing.check(run, private)
        with pytest.raises(UsageError, match="no public key"):
            sealing.check(run, tmp_path / "text")

    def test_without_the_package_the_pip_line_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def hidden(name: str, *rest: Any, **named: Any) -> Any:
            if name == "cryptography":
                raise ImportError(name)
            return real(name, *rest, **named)

        private, _, _ = keys(tmp_path)
        monkeypatch.setattr(builtins, "__import__", hidden)
        with pytest.raises(MissingDependency, match="cryptography") as caught:
            sealing._pem(private)
        assert caught.value.exit_code == 5 and "pip install 'workbench[sign]'" in caught.value.hint
