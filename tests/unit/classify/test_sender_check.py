"""Whether the provider confirmed a sender: only its own statement counts, and only about the address in From."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.classify.policy import JunkPolicy
from worker.classify.sender_check import is_confirmed

LAB = "results@lab.nhs.uk"
DELIVERED = (
    "Received",
    "from AM0P1.EURPRD.PROD.OUTLOOK.COM (2603:10a6::1) by LO2P2.PROD.OUTLOOK.COM with HTTPS; Mon, 2 Nov 2026 09:00 Z",
)
ENTERED = (
    "Received",
    "from mail.lab.nhs.uk (192.0.2.1) by DB5EUR.mail.protection.outlook.com with SMTP; Mon, 2 Nov 2026 09:00:00 +0000",
)
SPF, DKIM = "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=lab.nhs.uk", "dkim=pass (good) header.d=lab.nhs.uk"
DMARC = "dmarc=pass action=none header.from=lab.nhs.uk"
PASS = f"{SPF};\r\n {DKIM};{DMARC};compauth=pass reason=100"


def results(value: str) -> tuple[str, str]:
    return ("Authentication-Results", value)


def said(value: str, address: str = LAB) -> bool | None:
    """What comes of this statement of the provider's."""
    return is_confirmed([DELIVERED, results(value), ENTERED, ("From", address)], address, JunkPolicy())


@pytest.mark.parametrize(
    ("value", "confirmed"),
    [
        (PASS, True),
        (PASS.upper(), True),
        (f"{SPF};{DMARC}", True),
        (DKIM, True),
        ("dkim=pass header.d=nhs.uk", True),
        (SPF, True),
        ("spf=pass smtp.mailfrom=bounce@lab.nhs.uk", True),
        ("spf=fail smtp.mailfrom=evil.example; dmarc=fail header.from=lab.nhs.uk; compauth=fail reason=000", False),
        ("spf=none; dkim=none; dmarc=none header.from=lab.nhs.uk; compauth=none reason=405", False),
        (f"{SPF}; compauth=softpass reason=201", False),
        ("spf=pass smtp.mailfrom=evil.example; dkim=pass header.d=evil.example", False),
        ("spf=pass smtp.mailfrom=sub.lab.nhs.uk", False),
        ("dkim=pass header.d=b.nhs.uk", False),
        ("dkim=pass header.d=uk", False),
        ("dkim=fail header.d=lab.nhs.uk", False),
        ("spf=softfail smtp.mailfrom=lab.nhs.uk", False),
        ("dmarc=bestguesspass header.from=lab.nhs.uk", False),
        (f"{SPF}; compauth=fail reason=001; compauth=pass reason=100", False),
        ("spf=fail (compauth=pass reason=100) smtp.mailfrom=x", False),
        ("spf=fail (a (b) ; compauth=pass ) smtp.mailfrom=x", False),
        ("dkim=none (message not signed) header.d=none;dmarc=none action=none header.from=lab.nhs.uk;", None),
        ("xcompauth=pass; compauth-x=pass; compauth = pass", None),
        ("", None),
    ],
)
def test_what_the_provider_says(value: str, confirmed: bool | None) -> None:
    assert said(value) is confirmed


@pytest.mark.parametrize("method", ["compauth=pass", "dmarc=pass", "dkim=pass header.d=lab.nhs.uk"])
def test_a_check_of_another_address_confirms_nothing(method: str) -> None:
    """The worker and the provider may read a From header with several addresses differently."""
    assert said(f"{method} header.from=evil.example") is False
    assert said(f"dmarc=pass header.from=lab.nhs.uk; {method} header.from=evil.example") is False


def test_the_topmost_statement_counts_and_none_from_below_the_entry() -> None:
    policy = JunkPolicy()
    fails = results("compauth=fail header.from=lab.nhs.uk")
    assert is_confirmed([DELIVERED, fails, results(PASS), ENTERED], LAB, policy) is False
    assert is_confirmed([DELIVERED, results(PASS), fails, ENTERED], LAB, policy) is True
    assert is_confirmed([DELIVERED, ENTERED, results(PASS)], LAB, policy) is None
    assert is_confirmed([DELIVERED, fails, ENTERED, results(PASS)], LAB, policy) is False


@pytest.mark.parametrize(
    "entered",
    [
        "from am0.prod.outlook.com (20.54.1.1) by DB5EUR.mail.protection.outlook.com",
        "from am0.prod.outlook.com (2a01:111::1) by DB5EUR.mail.protection.outlook.com",
        "from am0.prod.outlook.com (2603:10a6::1) (20.54.1.1) by DB5EUR.mail.protection.outlook.com",
        "from am0.prod.outlook.com (999.1.1.1) by DB5EUR.mail.protection.outlook.com",
        "from am0.prod.outlook.com by DB5EUR.mail.protection.outlook.com",
        "by DB5EUR.mail.protection.outlook.com with HTTP",
    ],
)
def test_a_host_that_calls_itself_the_providers_writes_no_statement_of_the_providers(entered: str) -> None:
    forged = [results(PASS), ("Received", "from evil.example (192.0.2.9) by mail.nhs.net; Mon, 2 Nov 2026 09:00:00 Z")]
    assert is_confirmed([DELIVERED, ("Received", entered), *forged], LAB, JunkPolicy()) is None
    above = [DELIVERED, results("compauth=fail reason=001"), ("Received", entered), *forged]
    assert is_confirmed(above, LAB, JunkPolicy()) is False


@pytest.mark.parametrize("address", ["2603:10a6:208::1", "10.1.2.3", "::1", "[fe80::12:34]", "[fe80::12:34%5]"])
def test_hops_inside_the_provider_do_not_end_belief(address: str) -> None:
    inside = ("Received", f"from am0.prod.outlook.com ({address}) by am1.prod.outlook.com ({address}) with mapi; Mon")
    assert is_confirmed([DELIVERED, inside, results(PASS), ENTERED], LAB, JunkPolicy()) is True


@pytest.mark.parametrize(
    "headers",
    [
        [results(PASS)],
        [results(PASS), ("Received", "from a.example by b.example; Mon, 2 Nov 2026 09:00:00 +0000")],
        [results(PASS), DELIVERED],
        [("Authentication-Results-Original", PASS), ENTERED],
        [("X-Authentication-Results", PASS), ENTERED],
    ],
)
def test_what_the_provider_may_not_have_written_confirms_nothing(headers: list[tuple[str, str]]) -> None:
    assert is_confirmed(headers, LAB, JunkPolicy(believe_without_provider=True)) is None


def test_the_settings_name_the_providers_hosts() -> None:
    hops = [results(PASS), ("Received", "from x.example by relay.trust.example; Mon, 2 Nov 2026 09:00:00 +0000")]
    assert is_confirmed(hops, LAB, JunkPolicy()) is None
    assert is_confirmed(hops, LAB, JunkPolicy(provider_hosts=("*.trust.example",))) is True


words = st.sampled_from(
    ["compauth", "dmarc", "dkim", "spf", "=", "pass", "fail", "none", ";", " ", "(", ")", '"', "\r\n "]
)
domains = st.sampled_from(["header.from=lab.nhs.uk", "header.d=lab.nhs.uk", "smtp.mailfrom=lab.nhs.uk", "reason=100"])


@given(
    st.lists(st.tuples(st.sampled_from(["Authentication-Results", "Received", "X"]), st.text(max_size=80))), st.data()
)
def test_nothing_below_the_entry_confirms_a_sender(below: list[tuple[str, str]], data: st.DataObject) -> None:
    forged = results("".join(data.draw(st.lists(words | domains, max_size=30))))
    headers = [DELIVERED, ENTERED, *below, forged, results(PASS), ENTERED]
    assert is_confirmed(headers, LAB, JunkPolicy()) is None


@given(st.lists(words | domains, max_size=40))
def test_a_statement_without_a_pass_confirms_nothing(parts: list[str]) -> None:
    assert said("".join(part for part in parts if part != "pass")) is not True


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=200)), max_size=8), st.text(max_size=40))
def test_no_header_makes_it_raise(headers: list[tuple[str, str]], address: str) -> None:
    is_confirmed([DELIVERED, *headers, ENTERED], address, JunkPolicy())
