"""A message over a limit is a dead letter whose reason names the limit: never half a message, never the next rule's."""

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.worker import Worker
from worker.message.mime.headers import MAX_HEADER_BYTES

MakeWorker = Callable[..., Worker]

LAB = "From: results@lab.example.org\r\n"
ELSEWHERE = "From: someone@clinic.example.org\r\n"
MIXED = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
LIMITS = {
    "limits": {
        "parts": 50,
        "depth": 5,
        "attachments": 3,
        "attachment": "20kB",
        "lines": 2_000,
        "header_parameters": 20,
        "header_bytes": "30kB",
    }
}


def nested(depth: int) -> str:
    return "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth))


def attached(*sizes: int) -> str:
    return MIXED + "".join(
        f"--b\r\nContent-Type: image/png; name=x{n}.png\r\n\r\n{'x' * size}\r\n" for n, size in enumerate(sizes)
    )


OVER = {
    "parts": MIXED + "--b\r\n\r\nx\r\n" * 60,
    "depth": nested(10),
    "attachments": attached(1, 1, 1, 1),
    "attachment": attached(30_000),
    "lines": MIXED + "--\r\n" * 3_000,
    "header_parameters": 'Content-Type: text/plain; x="' + ";" * 3_000 + '"\r\n\r\nx',
    "header_bytes": MIXED + "--b\r\nX-Long: " + "x" * 40_000 + "\r\n\r\nx\r\n",
}


def reasons(worker: Worker) -> dict[str, str]:
    return {event["key"]: event["reason"] for event in worker.events("message.dead_letter")}


def route(name: str, *handlers: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "handlers": list(handlers), **more}


def good(sender: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = sender
    mail["Subject"] = "Good"
    mail.set_content("x")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def test_each_limit_that_a_rule_meets_is_named(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    """The rule asks for attachments; the next one would take everything, and gets the good one alone."""
    for name, body in OVER.items():
        dovecot.append_many("INBOX", [(f"{LAB}Message-ID: <{name}@x>\r\n" + body).encode()])
    dovecot.append_many("INBOX", [good("results@lab.example.org")])
    lab = route("lab", "archive", match={"from": "*@lab.example.org", "attachment": "*.pdf"})
    worker = make_worker(routes=[lab, route("everything-else", "ledger")], settings=LIMITS)

    assert worker.once() == 1

    assert sorted(reasons(worker).values()) == sorted(f"unparsed:MessageOverLimit:{name}" for name in OVER)
    assert len(worker.handed()) == 1
    assert worker.archived() == []
    assert len(dovecot.stored("Failed")) == len(OVER)
    assert worker.reconcile()["unaccounted"] == 0


def test_each_limit_that_a_handler_meets_is_named(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    """The rule asks for headers alone, the handler for attachments: nothing of the message is archived."""
    for name, body in OVER.items():
        dovecot.append_many("INBOX", [(f"{ELSEWHERE}Message-ID: <{name}@x>\r\n" + body).encode()])
    worker = make_worker(routes=[route("all", "archive", "ledger")], settings=LIMITS)

    assert worker.once() == 1

    assert sorted(reasons(worker).values()) == sorted(f"unparsed:MessageOverLimit:{name}" for name in OVER)
    assert (worker.handed(), worker.archived()) == ([], [])
    assert len(dovecot.stored("Failed")) == len(OVER)


@pytest.mark.parametrize("limit", ["1MB", "10MB"])
def test_headers_that_are_never_all_read_come_to_no_handler(
    dovecot: Mailbox, make_worker: MakeWorker, limit: str
) -> None:
    """Not even to one that needs no more than headers: the header that it goes by may be among those not read."""
    long = f"{ELSEWHERE}Message-ID: <long@x>\r\nX-Long: " + f"{'x' * 900}\r\n " * (MAX_HEADER_BYTES // 900 + 10)
    dovecot.append_many("INBOX", [(long + "\r\nSubject: Last\r\n\r\nbody").encode()])
    dovecot.append_many("INBOX", [good("someone@clinic.example.org")])
    worker = make_worker(routes=[route("all", "ledger")], settings={"limits": {"header_bytes": limit}})

    assert worker.once() == 1

    assert list(reasons(worker).values()) == ["unparsed:MessageOverLimit:header_bytes"]
    assert len(worker.handed()) == 1
    assert len(dovecot.stored("Failed")) == 1
