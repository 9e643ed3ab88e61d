"""Whose sign-in ends with the password, and what a person is told of it."""

import pytest

from worker.login.credential import Auth
from worker.login.public_client import public_client_warning

PERSON = "jo.bloggs@nhs.net"


@pytest.mark.parametrize(
    ("auth", "confidential", "way_out"),
    [
        ("oauth2-browser", False, "`client_secret_file` or `certificate_file` under [account.oauth]"),
        ("oauth2-device", False, 'With auth = "oauth2-browser" and a secret'),
        ("oauth2-device", True, 'With auth = "oauth2-browser" and a secret'),
    ],
)
def test_a_public_clients_sign_in_ends_with_the_password(auth: Auth, way_out: str, *, confidential: bool) -> None:
    said = public_client_warning(auth, confidential=confidential, who=PERSON)
    assert f"It ends when the password of {PERSON} is changed" in said
    assert "no mail is read until somebody runs `nhsmail-worker login authorise` again" in said
    assert way_out in said
    assert "a change by the user" in said, "an administrator's reset ends either"


@pytest.mark.parametrize(
    ("auth", "confidential"),
    [("oauth2-browser", True), ("oauth2-client", True), ("oauth2-password", False), ("password", False)],
)
def test_others_are_told_nothing(auth: Auth, *, confidential: bool) -> None:
    assert public_client_warning(auth, confidential=confidential, who=PERSON) == ""
