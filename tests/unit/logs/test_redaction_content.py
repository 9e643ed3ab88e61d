"""A message's own text is refused wherever it is given to the log or the audit trail, whatever it looks like."""

import json
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.conftest import Lines
from worker.logs.events import CATALOGUE
from worker.logs.fields import FIELDS
from worker.logs.log import get_logger
from worker.logs.redaction import REFUSED, passed
from worker.message.message import Message
from worker.message.text import ContentStr
from worker.message.verdict import MailPath, Verdict

MARK = "zebedee"  # a subject of one plain word, in the form of a word of ours
RAW = b"""From: "zebedee" <zebedee@zebedee.nhs.uk>\r
To: zebedee <zebedee>\r
Cc: =?utf-8?q?zebedee?= <zebedee@x.example>\r
Subject: zebedee\r
Message-ID: zebedee\r
X-zebedee: zebedee\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
zebedee\r
--b\r
Content-Type: text/html\r
\r
zebedee\r
--b\r
Content-Type: application/zebedee; name=zebedee\r
Content-ID: <zebedee>\r
Content-Disposition: attachment; filename=zebedee\r
\r
zebedee\r
--b--\r
"""
NOW = datetime(2026, 11, 23, tzinfo=UTC)
MESSAGE = Message(RAW, key="a" * 26, folder="INBOX", received_at=NOW, verdict=Verdict(MailPath.CLEAN))


def _texts() -> list[str]:
    """Every text that the message gives."""
    headers, attachments = MESSAGE.headers, MESSAGE.attachments
    addresses = [*MESSAGE.to, *MESSAGE.cc, *filter(None, [MESSAGE.sender])]
    found = [MESSAGE.subject, MESSAGE.message_id, MESSAGE.text, MESSAGE.html, *addresses]
    found += [address.name for address in addresses]
    found += (
        [part for item in headers for part in item] + [part for item in headers[:] for part in item] + [*headers[0]]
    )
    for name, _ in headers:
        found += [*headers.raw(name), *headers.get_all(name), headers.get(name)]
    for one in attachments:
        found += [one.filename, one.safe_filename, one.content_type, one.content_id]
    return [text for text in found if text is not None and MARK in text]


TEXTS = _texts()


@given(event=st.sampled_from(sorted(CATALOGUE)), field=st.sampled_from(sorted(FIELDS)), text=st.sampled_from(TEXTS))
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_message_s_text_in_any_field_of_any_event_shows_nothing(
    lines: Lines, event: str, field: str, text: str
) -> None:
    lines.configure()
    getattr(get_logger(), CATALOGUE[event].level.value)(event, **{field: text})
    assert MARK not in lines.raw
    assert len(lines.all) == 1


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_takes_any_of_it(field: str) -> None:
    assert len(TEXTS) > 30
    for text in TEXTS:
        assert passed(field, text) == REFUSED
        assert passed(field, text, account=text) == REFUSED


@pytest.mark.parametrize("field", ["reason", "state", "outcome", "kind", "trouble"])
@pytest.mark.parametrize("digits", ["9434765919", "943-476-5919", "1970.01.01", "12:30"])
def test_a_number_is_no_word_of_ours(field: str, digits: str) -> None:
    assert passed(field, digits) == REFUSED


def test_it_is_a_string_like_any_other() -> None:
    text: str = ContentStr("Potassium 6.9")
    assert (text, hash(text), {text: 1}["Potassium 6.9"]) == ("Potassium 6.9", hash("Potassium 6.9"), 1)
    assert json.dumps({"subject": text}) == '{"subject": "Potassium 6.9"}'
    again = pickle.loads(pickle.dumps(text))  # noqa: S301 -- our own
    assert (type(again), again) == (ContentStr, text)
    assert isinstance(text, str)
    assert type(text.lower()) is str
