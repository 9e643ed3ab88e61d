"""Addresses: the same on every Python, and never what a display name says."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.mime.addresses import addresses, first_address
from worker.message.mime.mailboxes import mailboxes

LONG = 300_000
PARTS = [
    '"',
    '"Lab"',
    "  ",
    "a",
    "b.c",
    "<",
    ">",
    "@",
    "x@y.uk",
    "<a@b>",
    "\\",
    "=?utf-8?q?L=2C?=",
    "\t",
    "\r\n ",
    "\udce9",
]
PIECES = st.lists(st.sampled_from([*PARTS, *" (),[]:;é"]), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("a@x.uk", [("a@x.uk", "")]),
        ("<a@x.uk>", [("a@x.uk", "")]),
        ("Lab <a@x.uk>", [("a@x.uk", "Lab")]),
        ("Dr. O'Neil <o@x.uk>", [("o@x.uk", "Dr. O'Neil")]),
        ('"Lab, Inc" <a@lab.nhs.uk>', [("a@lab.nhs.uk", "Lab, Inc")]),
        ('"The \\"Lab\\"" <a@x.uk>', [("a@x.uk", 'The "Lab"')]),
        ("=?utf-8?q?Lab=2C_Inc?= <a@b.uk>", [("a@b.uk", "Lab, Inc")]),
        # What stands before the angle address is a name, whatever it looks like.
        ("results@lab.nhs.uk <attacker@evil.com>", [("attacker@evil.com", "results@lab.nhs.uk")]),
        ("results@lab.nhs.uk <results@lab.nhs.uk>", [("results@lab.nhs.uk", "results@lab.nhs.uk")]),
        ('"results@lab.nhs.uk" <attacker@evil.com>', [("attacker@evil.com", "results@lab.nhs.uk")]),
        ('"<results@lab.nhs.uk>" <attacker@evil.com>', [("attacker@evil.com", "<results@lab.nhs.uk>")]),
        ("(results@lab.nhs.uk) <attacker@evil.com>", [("attacker@evil.com", "results@lab.nhs.uk")]),
        ("<results@lab.nhs.uk <attacker@evil.com>", [("attacker@evil.com", "results@lab.nhs.uk")]),
        ("results@lab.nhs.uk> <attacker@evil.com>", [("attacker@evil.com", "results@lab.nhs.uk")]),
        ("results@lab.nhs.uk <attacker>", [("attacker", "results@lab.nhs.uk")]),
        ("results@lab.nhs.uk <>", []),
        ('"results@lab.nhs.uk" <>', []),
        ("Sam@Lab <a@x.uk>", [("a@x.uk", "Sam@Lab")]),
        ("Sam [Lab] <a@x.uk>", [("a@x.uk", "Sam [Lab]")]),
        ("Lab (results, urgent) <a@lab.nhs.uk>", [("a@lab.nhs.uk", "Lab (results, urgent)")]),
        ("Path, Lab <r@lab.nhs.uk>", [("r@lab.nhs.uk", "Lab")]),
        ("a@x.uk (Sam (the lab))", [("a@x.uk", "Sam (the lab)")]),
        ("Foo Bar <foo@bar.uk> (x)", [("foo@bar.uk", "Foo Bar (x)")]),
        ("Foo <foo@\r\n bar.uk>", [("foo@bar.uk", "Foo")]),
        ("Foo <@a.uk,@b.uk:foo@bar.uk>", [("foo@bar.uk", "Foo")]),
        ("Foo foo@bar.uk", [("foo@bar.uk", "Foo")]),
        ("foo @ bar.uk", [("foo@bar.uk", "")]),
        ('"a b"@x.uk', [('"a b"@x.uk', "")]),
        ("a@[IPv6:2001:db8::1]", [("a@[IPv6:2001:db8::1]", "")]),
        # Several
        ("a@x.uk, b@y.uk, c@z.uk,\r\n", [("a@x.uk", ""), ("b@y.uk", ""), ("c@z.uk", "")]),
        ("a@x.uk,, b@y.uk", [("a@x.uk", ""), ("b@y.uk", "")]),
        ("a@x.uk; B <b@y.uk>", [("a@x.uk", ""), ("b@y.uk", "B")]),
        ("a@x.uk b@y.uk", [("a@x.uk", ""), ("b@y.uk", "")]),
        ("<a@x.uk> <b@y.uk>", [("a@x.uk", ""), ("b@y.uk", "")]),
        ("A <a@x.uk, B <b@y.uk>", [("a@x.uk", "A"), ("b@y.uk", "B")]),
        ("Team: a@x.uk, B <b@y.uk>;", [("a@x.uk", ""), ("b@y.uk", "B")]),
        ("Lab: Results <a@x.uk>", [("a@x.uk", "Results")]),
        ("undisclosed-recipients:;", []),
        # Broken
        ("a@lab.nhs.uk)b@evil.uk", [("a@lab.nhs.uk", ""), ("b@evil.uk", "")]),
        ("Foo <foo@bar.uk", [("foo@bar.uk", "Foo")]),
        ('"Lab <a@x.uk>', [("a@x.uk", "")]),
        ("Lab (open <a@x.uk>", [("a@x.uk", "")]),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        ("Mail Delivery System <>", []),
        ("", []),
        (" , ;", []),
    ],
)
def test_the_address_is_the_one_that_mail_goes_by(sent: str, expected: list[tuple[str, str]]) -> None:
    assert [(str(address), address.name) for address in addresses([sent])] == expected


def test_what_is_no_address_gives_way_to_one_in_another_header() -> None:
    assert addresses(["Lab", "a@x.uk"]) == ("a@x.uk",)


@pytest.mark.parametrize(
    "piece",
    ["(", ")", "<", ">", '"', '\\"', "\\", "[", "@[", "@", ",", ";", ":", " ", "a@b,", "<a@b>", "(a)", '"a"', "a ",
     "\0", "a(", '<"', "@,", "\r\n "],
)  # fmt: skip
def test_it_takes_time_in_proportion_to_the_header(piece: str) -> None:
    started = time.process_time()
    addresses(["x" + piece * (LONG // len(piece))])
    assert time.process_time() - started < 5


@given(PIECES | st.builds("{}<a@{}>".format, PIECES, st.sampled_from(["lab.uk", "[1]", "b"])))
def test_the_usual_form_is_read_as_any_other(value: str) -> None:
    """A space before it changes nothing but that the value is then read piece by piece."""
    assert mailboxes(value) == mailboxes(f" {value}")


@given(PIECES | st.builds("{}<a@lab.uk>".format, PIECES))
def test_the_first_address_is_the_first_of_all(value: str) -> None:
    found = addresses([value])
    assert first_address(value) == (str(found[0]) if found else "")
