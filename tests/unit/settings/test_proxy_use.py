"""The table `[proxy]`: what is refused at the start, and the proxy that is made of it."""

from pathlib import Path
from typing import Any

import pytest

from worker.settings import Settings, SettingsError, check_files, check_proxy, clear_tables, load, proxy_of

SECRET = "Quiet-Harbour-73"
ACCOUNT = {"address": "pathology.results@nhs.net", "password_file": "/run/secrets/password"}
URL = "https://proxy.example.nhs.uk:3128"


def with_proxy(**table: Any) -> Settings:
    return Settings.model_validate({"account": ACCOUNT, "proxy": table})


def secret(folder: Path, text: str = SECRET) -> str:
    file = folder / "proxy-password"
    file.touch(mode=0o600)
    file.write_text(text)
    return str(file)


def test_no_table_no_proxy() -> None:
    assert proxy_of(with_proxy()) is None
    assert check_proxy(with_proxy()) == []


def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    settings = with_proxy(url=URL, username="svc", password_file=secret(tmp_path, f"{SECRET}\n"), no_proxy=[".nhs.uk"])
    found = proxy_of(settings)
    assert found is not None
    assert (found.username, found.password, found.shown) == ("svc", SECRET, "proxy.example.nhs.uk:3128")
    assert found.passes_by("mail.nhs.uk", 993)
    assert not found.passes_by("localhost", 993)  # a list replaces the default
    assert SECRET not in repr(settings)


def test_a_password_that_no_proxy_takes(tmp_path: Path) -> None:
    settings = with_proxy(url=URL, username="svc", password_file=secret(tmp_path, "pässword"))
    assert check_proxy(settings) == [
        "[proxy] password: must be 1 to 255 plain ASCII characters, as proxies take no others."
    ]


def test_a_password_that_is_gone(tmp_path: Path) -> None:
    settings = with_proxy(url=URL, username="svc", password_file=str(tmp_path / "gone"))
    assert check_proxy(settings) == []  # the check of files says it
    assert any("[proxy] password_file" in fault for fault in check_files(settings))
    with pytest.raises(SettingsError, match="password_file: can't be read"):
        proxy_of(settings)


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.settings.proxy_use.find_spec", lambda _name: None)
    (fault,) = check_proxy(with_proxy(url=URL))
    assert "[proxy] url: proxies need a library that isn't installed" in fault
    assert "scripts/install" in fault


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('username = "svc"', "[proxy] url: is missing"),
        ('url = "proxy:3128"', "[proxy] url: must begin with http://"),
        ('url = "https://proxy:3128"\nusername = "svc"', "[proxy] username: and password (or password_file) belong"),
        ('url = "https://proxy:3128"\nno_proxy = ["a b"]', '[proxy] no_proxy: "a b" is no name'),
        (f'url = "https://svc:{SECRET}@proxy:3128"', "doesn't belong in this file"),
        (
            f'url = "https://proxy:3128"\nusername = "svc"\npassword = "{SECRET}"',
            "a secret doesn't belong in this file",
        ),
        ('url = "socks5://proxy:1080"\nusername = "svc"\npassword_file = "/x"', "allow_clear = true"),
        ('url = "https://proxy:3128"\nca_file = "/nowhere.pem"', "[proxy] ca_file: /nowhere.pem can't be read"),
    ],
)
def test_what_the_start_refuses(tmp_path: Path, lines: str, fault: str) -> None:
    file = tmp_path / "worker.toml"
    route = '[[route]]\nname = "all"\nhandlers = ["archive"]\n'
    file.write_text(f'[account]\naddress = "a@nhs.net"\npassword_file = "/x"\n[proxy]\n{lines}\n{route}')
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    about = [line for line in caught.value.faults if line.startswith("[proxy]")]
    assert any(fault in line for line in about), caught.value.faults
    assert SECRET not in str(caught.value)


def test_clear_text_that_is_accepted_is_told() -> None:
    given = {"username": "svc", "password_file": "/x", "allow_clear": True}
    assert clear_tables(with_proxy(url="http://proxy.example:3128", **given)) == ["proxy"]
    assert clear_tables(with_proxy(url=URL, **given)) == []
    assert clear_tables(with_proxy(url="http://127.0.0.1:3128", **given)) == []
    assert clear_tables(with_proxy(url="http://proxy.example:3128", allow_clear=True)) == []
