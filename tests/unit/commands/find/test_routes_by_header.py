"""Which routes take a message, as far as its headers tell."""

from collections.abc import Mapping
from datetime import UTC, datetime

from worker.commands.find.routes_by_header import RoutesByHeader
from worker.handling.routing.router import Router
from worker.message.message import Message
from worker.message.verdict import MailPath, Verdict
from worker.settings.routes import RouteSettings

LAST = {"name": "rest", "handlers": ["archive"]}


def routes(*given: Mapping[str, object], path: MailPath = MailPath.CLEAN, size: int = 100) -> tuple[str, ...] | None:
    header = Message(
        b"From: lab@nhs.net\r\nTo: ward@nhs.net\r\nSubject: result\r\n\r\n",
        key="k" * 26,
        folder="INBOX",
        received_at=datetime(2026, 1, 5, tzinfo=UTC),
        verdict=Verdict(path),
    )
    settings = [RouteSettings.model_validate(route) for route in (*given, LAST)]
    return RoutesByHeader(Router(settings, ["quarantine"])).of(header, size)


def test_rules_on_headers_and_on_the_size_decide() -> None:
    by_sender = {"name": "lab", "match": {"from": "lab@*", "to": "ward@*"}, "handlers": ["archive"]}
    assert routes(by_sender) == ("lab",)
    assert routes({"name": "big", "match": {"size": {"over": "1MB"}}, "handlers": ["archive"]}, size=2_000_000) == (
        "big",
    )
    assert routes({"name": "other", "match": {"subject": "no"}, "handlers": ["archive"]}) == ("rest",)
    assert routes(by_sender, path=MailPath.JUNK) == ("junk",)


def test_a_rule_on_content_leaves_it_open() -> None:
    for match in ({"attachment": "*.pdf"}, {"kind": "bounce"}, {"notice": "*"}, {"protection": "none"}):
        assert routes({"name": "by-content", "match": match, "handlers": ["archive"]}) is None
    unless = {"subject": "other", "attachment": "*.pdf"}  # the header rules it out
    assert routes({"name": "by-content", "match": unless, "handlers": ["archive"]}) == ("rest",)
