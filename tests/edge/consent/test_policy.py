from __future__ import annotations

from pathlib import Path

import pytest

from edge.consent.policy import Policy, check_assurance, load_policy, policy_path
from edge.consent.trust import Assurance
from edge.errors import PolicyError


def _write(text: str) -> None:
    policy_path().parent.mkdir(parents=True, exist_ok=True)
    policy_path().write_text(text)
    policy_path().chmod(0o600)


def test_no_policy_forbids_nothing() -> None:
    assert load_policy() == Policy("self-attested")


@pytest.mark.parametrize("level", ["self-attested", "agent-attested", "trusted-issuer"])
def test_a_level_can_be_required(level: str) -> None:
    _write(f'require_assurance = "{level}"\n')
    assert load_policy().require_assurance == level


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "not valid TOML"),
        ("x = " + "[" * 9999, "not valid TOML"),
        ("x = " + "9" * 9999, "not valid TOML"),
        ("allow_unlabelled = true", "no key 'allow_unlabelled'"),
        ('require_assurance = "verified"', "not one of"),
        ("require_assurance = 3", "not one of"),
        ("", "empty"),
    ],
)
def test_a_policy_that_is_not_understood_is_an_error(text: str, message: str) -> None:
    _write(text)
    with pytest.raises(PolicyError, match=message):
        load_policy()


def test_a_policy_that_others_may_write_to_is_an_error() -> None:
    _write('require_assurance = "trusted-issuer"')
    policy_path().chmod(0o622)
    with pytest.raises(PolicyError, match="others may write"):
        load_policy()


def test_a_link_to_what_is_gone_is_an_error(tmp_path: Path) -> None:
    policy_path().parent.mkdir(parents=True, exist_ok=True)
    policy_path().symlink_to(tmp_path / "volume" / "policy.toml")  # it is not mounted
    with pytest.raises(PolicyError, match=r"^no policy at .*: check the path$"):
        load_policy()


def test_a_folder_that_may_not_be_entered_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("os.lstat", locked)
        with pytest.raises(PolicyError, match=r"cannot read the policy .*: permission denied"):
            load_policy()


@pytest.mark.parametrize(
    ("level", "rank", "enough"),
    [
        ("self-attested", 0, False),
        ("synthetic", 0, False),
        ("agent-attested", 1, True),
        ("trusted-issuer", 2, True),
        ("synthetic", 2, True),
    ],
)
def test_ranks(level: str, rank: int, enough: bool) -> None:
    assurance = Assurance(level, "why", None, rank)  # type: ignore[arg-type]
    if enough:
        check_assurance(Policy("agent-attested"), assurance, "it")
    else:
        with pytest.raises(PolicyError, match="requires agent-attested"):
            check_assurance(Policy("agent-attested"), assurance, "it")
