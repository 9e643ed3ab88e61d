"""Exchange Online's own servers, told by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.settings import AccountSettings
from worker.settings.exchange_hosts import EXCHANGE_HOSTS, is_exchange_online

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


@given(st.sampled_from(EXCHANGE_HOSTS), st.lists(LABEL, max_size=3), st.randoms(use_true_random=False), st.booleans())
def test_each_name_and_all_below_it_however_they_are_written(
    name: str, below: list[str], random: object, absolute: bool
) -> None:
    host = ".".join([*below, name])
    spelled = "".join(random.choice((one.upper(), one)) for one in host)  # type: ignore[attr-defined] # a Random
    assert is_exchange_online(spelled + "." * absolute)


@given(st.sampled_from(EXCHANGE_HOSTS), LABEL)
def test_no_other_name_that_contains_one(name: str, label: str) -> None:
    for host in (f"{label}{name}", f"{label}-{name}", f"{name}.{label}", f"{name}{label}", name.partition(".")[2]):
        assert is_exchange_online(host) == any(host == one or host.endswith(f".{one}") for one in EXCHANGE_HOSTS)
    assert not is_exchange_online(f"{label}-{name}".removeprefix(".").replace(".", "-"))
    assert not is_exchange_online(f"{name}.{label}-nhs")


@pytest.mark.parametrize(
    ("host", "is_theirs"),
    [
        ("outlook.office365.com", True),
        ("Outlook.Office365.COM.", True),
        ("imap-mail.outlook.com", True),
        ("outlook.office.com", True),
        ("outlook.office365.us", True),
        ("partner.outlook.cn", True),
        ("imap.nhs.net", True),
        ("send.nhs.net", False),
        ("mail.example", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("myoutlook.com", False),
        ("outlook.com.example", False),
        ("mail.trust.nhs.uk", False),
        ("office365.com", False),
        ("", False),
    ],
)
def test_some_names(host: str, *, is_theirs: bool) -> None:
    assert is_exchange_online(host) is is_theirs


def test_the_default_server_is_one_and_the_settings_name_all() -> None:
    assert is_exchange_online(AccountSettings.model_fields["host"].default)
    assert all(f"`{host}`" in AccountSettings.about for host in EXCHANGE_HOSTS)
