"""Policies: what is read, what is refused and with which suggestion."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
from judged import policy
from pydantic import BaseModel

from workbench import policy as module
from workbench.errors import ConfigError
from workbench.policy import Policy, read_policy
from workbench.stages.init import template


def test_the_template_is_a_policy_and_says_every_section(tmp_path: Path) -> None:
    path = policy(tmp_path / "p.toml", template("policy"))
    read = read_policy(path)
    assert read.name == "release" and read.policy.measure[0].at_least == 0.8 and not read.policy.allow_missing
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and ("=" in line or "[" in line) and "`" not in line else line
        for line in template("policy").splitlines()
    )
    everything = Policy.model_validate(tomllib.loads(uncommented))
    assert everything.allow_missing and everything.measure[0].label == "malignant"
    for name in Policy.model_fields:
        assert getattr(everything, name) not in (None, (), ""), name


def test_a_name_is_the_files_where_none_is_given(tmp_path: Path) -> None:
    assert read_policy(policy(tmp_path / "night.toml", "[parity]\n")).name == "night"


def test_every_key_is_described() -> None:
    models = [m for m in vars(module).values() if isinstance(m, type) and issubclass(m, BaseModel) and m is not Policy]
    assert len(models) > 10
    for model in models:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[[measure]]\nname='accuracy'\nat_lest=0.9\n", "unknown key 'measure.0.at_lest'", "did you mean 'at_least'?"),
        ("[parity]\n[slizes]\nmax_gap=1\n", "unknown key 'slizes'", "did you mean 'slices'?"),
        ("[flips]\nzzzz = 1\nmax_rate=0.1\n", "unknown key 'flips.zzzz'", "allowed here: max_rate, against"),
        ("[[measure]]\nname='accuracy'\n", "needs at_least or at_most", "init policy"),
        ("[flips]\n", "key 'flips.max_rate' is missing", "init policy"),
        ("[flips]\nmax_rate = 2\n", "flips.max_rate = 2: input should be less than 1", "init policy"),
        ("[[noninferior]]\nmargin = 0\n", "greater than 0", "init policy"),
        ("[[noninferior]]\nmargin = 1\nagainst = 'yesterday'\n", "noninferior.0.against = 'yesterday'", "init policy"),
        ("[slices]\nat_least_n = 50\n", "slices needs one of", "init policy"),
        ("[explanations]\nlight = 'good'\n", "min_share or controls_caught", "init policy"),
        ("name = 'x'\n", "holds no rule", "init policy"),
        ("", "holds no rule", "init policy"),
        ("[measure]\nname='accuracy'\nat_least=1\n", "measure is not what it must be", "[[measure]]"),
        ("flips = 3\n", "flips is not what it must be", "[flips]"),
        ("[flips\n", "is not TOML", "[section]"),
    ],
)
def test_a_bad_policy_says_what_and_where(text: str, said: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_policy(policy(tmp_path / "p.toml", text))
    assert said in caught.value.message and "p.toml" in caught.value.message
    assert hint in caught.value.hint and caught.value.exit_code == 2


def test_a_policy_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no policy at"):
        read_policy(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_policy(tmp_path)
    (tmp_path / "p.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_policy(tmp_path / "p.toml")
