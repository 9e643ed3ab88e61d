"""What a person is told of a secret that can't be used, word for word: the error is all that they have."""

import sys
from pathlib import Path

import pytest

from worker.login.credential import CredentialUnavailable, read_secret
from worker.login.oauth import OAuthSource
from worker.login.registration import OAuthConfig
from worker.login.token_cache import TokenCache
from worker.login.token_endpoint import import_msal

CONFIG = OAuthConfig(tenant="t", client_id="c")


def said(path: Path) -> str:
    with pytest.raises(CredentialUnavailable) as refused:
        read_secret(path, "private")
    return str(refused.value).removeprefix(f"{path} ")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"x" * 70_000, "is too large to be a secret. No login was tried. Give the right file."),
        (b"Bright-\xff-92", "isn't text in UTF-8. No login was tried. Save it as UTF-8."),
    ],
)
def test_of_a_file_with_the_wrong_content(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    assert said(path) == text


def test_of_what_is_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    assert said(folder) == "isn't a file. No login was tried. Give the file that holds the secret."


def test_of_a_token_cache_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / "oauth.json").symlink_to(tmp_path / "real")
    with pytest.raises(CredentialUnavailable) as refused:
        TokenCache(tmp_path).load()
    assert str(refused.value).endswith("Make it the worker's own, or remove it and sign in again.")


def test_of_an_application_without_a_secret() -> None:
    with pytest.raises(CredentialUnavailable) as refused:
        CONFIG.secret()
    assert str(refused.value) == (
        "The application's secret is empty. No login was tried. Set `client_secret_file` or `certificate_file` under "
        "`[account.oauth]`."
    )


def test_of_an_account_for_which_nobody_has_signed_in(tmp_path: Path) -> None:
    source = OAuthSource("oauth2-device", "results@nhs.net", CONFIG, state_dir=tmp_path)
    with pytest.raises(CredentialUnavailable) as refused:
        source.candidate()
    assert str(refused.value) == (
        "Nobody has signed in for results@nhs.net yet. No login was tried. Run `nhsmail-worker login authorise`."
    )


def test_of_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(CredentialUnavailable) as refused:
        import_msal()
    assert str(refused.value) == (
        "OAuth needs a library that isn't installed. No login was tried. Install the worker with "
        "`scripts/install`, which brings it."
    )
