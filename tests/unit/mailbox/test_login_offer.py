"""Which ways to log in a server offers, by its capabilities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox.login_offer import LoginOffer

CAPABILITIES = "IMAP4REV1 IDLE LOGINDISABLED AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=X SASL-IR"
some = st.sets(st.sampled_from(CAPABILITIES.split()) | st.text(alphabet="ABC=-/0\r\n{", max_size=12))


@given(capabilities=some)
def test_what_is_offered(capabilities: set[str]) -> None:
    offer = LoginOffer.of(capabilities)
    disabled, plain = "LOGINDISABLED" in capabilities, "AUTH=PLAIN" in capabilities
    assert offer.takes_token is ("AUTH=XOAUTH2" in capabilities)
    assert offer.takes_password("ascii") is (plain or not disabled)
    assert offer.takes_password("Blåbær") is plain
    assert offer.takes_by_login("ascii") is not disabled
    assert not offer.takes_by_login("Blåbær")


@given(capabilities=some)
def test_what_a_server_writes_of_itself_never_reaches_a_log(capabilities: set[str]) -> None:
    allowed = {"the command LOGIN", "AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER", "none"}
    for word in LoginOffer.of(capabilities).names().split(", "):
        assert word in allowed or word.endswith(" more")


@pytest.mark.parametrize(
    ("capabilities", "names"),
    [
        ("IMAP4REV1", "the command LOGIN"),
        ("LOGINDISABLED", "none"),
        ("LOGINDISABLED AUTH=PLAIN AUTH=XOAUTH2 IDLE", "AUTH=PLAIN, AUTH=XOAUTH2"),
        ("AUTH=NTLM AUTH=A AUTH=B", "the command LOGIN, AUTH=NTLM, 2 more"),
    ],
)
def test_people_are_told_which(capabilities: str, names: str) -> None:
    assert LoginOffer.of(capabilities.split()).names() == names
