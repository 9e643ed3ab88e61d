"""What `check` says of proxies."""

import pytest

from worker.commands.proxy_notes import proxy_notes
from worker.settings import Settings

ACCOUNT = {"address": "pathology.results@nhs.net", "password_file": "/run/secrets/password"}
WITHOUT = Settings.model_validate({"account": ACCOUNT})
WITH = Settings.model_validate({"account": ACCOUNT, "proxy": {"url": "https://proxy.example.nhs.uk:3128"}})
SECRET = "Quiet-Harbour-73"


def test_nothing_without_any() -> None:
    assert proxy_notes(WITHOUT, {"NO_PROXY": "*", "HTTPS_PROXY": ""}) == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_imap_does_not_use_that_of_the_environment(name: str) -> None:
    (note,) = proxy_notes(WITHOUT, {name: f"http://user:{SECRET}@proxy:3128"})
    assert note.startswith(f"{name} in the environment names a proxy")
    assert "not the mail server" in note
    assert SECRET not in note


def test_that_of_the_settings_counts() -> None:
    (note,) = proxy_notes(WITH, {})
    assert note.startswith("The worker reaches the mail server, the sign-in service, webhooks, object stores, and the ")
    assert note.endswith("servers for alerts by mail, through [proxy].")
    (note,) = proxy_notes(WITH, {"HTTPS_PROXY": f"http://user:{SECRET}@proxy:3128"})
    assert "HTTPS_PROXY in the environment has no effect on these" in note
    assert SECRET not in note
