"""The demo's mail is what it says it is: valid where it should be, classified as expected, about nobody."""

import io
import re
import zipfile
from collections import Counter
from email import message_from_bytes
from email.message import Message as Mail

import pytest
import tnefparse  # type: ignore[import-untyped]  # it ships no types

from worker.classify import classify
from worker.demo import sample_parts as parts
from worker.demo.mailbox import throw_away_password
from worker.demo.samples import INBOX, JUNK_FOLDER, STARTED, Sample, all_samples
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.verdict import MailPath

SAMPLES = all_samples()
RESERVED = re.compile(r"[\w.+-]+@(?:nhs\.net|(?:[\w-]+\.)*example\.(?:org|net|com|nhs\.uk|nhs\.net))", re.IGNORECASE)


def named(name: str) -> Sample:
    return next(sample for sample in SAMPLES if sample.name == name)


def message(sample: Sample) -> Message:
    headers = Headers.from_bytes(sample.raw)
    verdict = classify(headers, in_junk_folder=sample.folder == JUNK_FOLDER)
    return Message(sample.raw, key="k", folder=sample.folder, received_at=STARTED, verdict=verdict, headers=headers)


def parsed(name: str) -> Mail:
    return message_from_bytes(named(name).raw)


def kinds(name: str) -> list[str]:
    return [part.get_content_type() for part in parsed(name).walk()]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_classified_as_it_says(sample: Sample) -> None:
    verdict = classify(Headers.from_bytes(sample.raw), in_junk_folder=sample.folder == JUNK_FOLDER)

    assert verdict.path == (MailPath.JUNK if sample.expect == "junk" else MailPath.CLEAN)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.group.startswith("Junk by")], ids=lambda s: s.name)
def test_junk_is_junk_for_the_reason_that_its_group_names(sample: Sample) -> None:
    source = {
        "Junk by its folder": {"placement"},
        "Junk by Exchange's headers": {"exchange"},
        "Junk by Trend Micro's headers": {"trend"},
        "Junk by SpamAssassin or Rspamd": {"spamassassin", "rspamd"},
    }[sample.group]
    verdict = classify(Headers.from_bytes(sample.raw), in_junk_folder=sample.folder == JUNK_FOLDER)

    assert source & {evidence.source for evidence in verdict.evidence if evidence.counts}


def test_there_are_enough_samples_and_every_outcome_among_them() -> None:
    outcomes = Counter(sample.expect for sample in SAMPLES)

    assert len(SAMPLES) >= 60
    assert set(outcomes) == {"handled", "junk", "failed"}
    assert {sample.folder for sample in SAMPLES} == {INBOX, JUNK_FOLDER}
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


def test_samples_are_the_same_bytes_every_time() -> None:
    assert all_samples() == SAMPLES


def test_only_the_twins_have_the_same_bytes() -> None:
    twice = [raw for raw, count in Counter(sample.raw for sample in SAMPLES).items() if count > 1]

    assert twice == [named("plain-twin-1").raw]


@pytest.mark.parametrize(
    ("start", "attribute", "expected"),
    [
        ("plain-", "kind", "mail"),
        ("auto-", "kind", "auto-reply"),
        ("bounce", "kind", "bounce"),
        ("receipt", "kind", "receipt"),
        ("calendar", "kind", "calendar"),
        ("notice-removed", "notices", ("attachment-removed",)),
        ("notice-banner-external", "notices", ("external-sender",)),
        ("notice-at-foot", "notices", ("external-sender",)),
        ("smime-encrypted", "protection", "smime-encrypted"),
        ("smime-signed", "protection", "smime-signed"),
        ("smime-opaque", "protection", "smime-signed"),
        ("rpmsg", "protection", "rpmsg"),
        ("pgp", "protection", "pgp"),
    ],
)
def test_a_handler_sees_what_the_sample_is_there_for(start: str, attribute: str, expected: object) -> None:
    found = [sample for sample in SAMPLES if sample.name.startswith(start)]

    assert found
    assert {sample.name: getattr(message(sample), attribute) for sample in found} == {s.name: expected for s in found}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_handler_can_read_every_sample_however_malformed(sample: Sample) -> None:
    seen = message(sample)

    assert seen.text is not None
    assert all(attachment.safe_filename for attachment in seen.attachments)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_addresses_are_invented_ones(sample: Sample) -> None:
    found = re.findall(r"[\w.+-]+@[\w.-]+\w", sample.raw.decode("ascii", "ignore"))

    assert found
    assert [address for address in found if not RESERVED.fullmatch(address)] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("attached-pdf", "application/pdf"),
        ("attached-csv", "text/csv"),
        ("attached-image", "image/png"),
        ("html-picture", "image/png"),
        ("html-both", "text/html"),
        ("bounce", "message/delivery-status"),
        ("receipt-read", "message/disposition-notification"),
        ("calendar-request", "text/calendar"),
        ("forwarded", "message/rfc822"),
        ("winmail", "application/ms-tnef"),
        ("smime-encrypted", "application/pkcs7-mime"),
        ("smime-signed", "application/pkcs7-signature"),
        ("rpmsg", "application/x-microsoft-rpmsg-message"),
        ("pgp-encrypted", "application/pgp-encrypted"),
    ],
)
def test_a_sample_has_the_part_that_it_is_there_for(name: str, kind: str) -> None:
    assert kind in kinds(name)


def test_forwarded_twice_is_nested_twice() -> None:
    assert kinds("forwarded-twice").count("message/rfc822") == 2


def test_winmail_opens_and_holds_its_file() -> None:
    data = next(part for part in parsed("winmail").walk() if part.get_content_type() == "application/ms-tnef")
    opened = tnefparse.TNEF(data.get_payload(decode=True))

    assert opened.attachments[0].long_filename() == "stock.csv"
    assert opened.attachments[0].data == parts.csv(12)
    assert b"travel inside" in opened.body


def test_the_document_and_the_archive_open() -> None:
    for data in (parts.docx("text"), parts.zipped({"a.csv": b"1"})):
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_the_pdf_s_table_points_at_its_objects() -> None:
    data = parts.pdf("text")
    start = int(re.findall(rb"startxref\n(\d+)", data)[0])
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n", data)]

    assert data[start:].startswith(b"xref")
    assert [data[offset:].split(b" ")[0] for offset in offsets] == [b"%d" % number for number in range(1, 7)]


def test_the_password_keeps_the_policy() -> None:
    for _ in range(200):
        password = throw_away_password("pathology.results")
        classes = [any(map(kind, password)) for kind in (str.isupper, str.islower, str.isdigit)]
        assert len(password) >= 8
        assert all(classes)
        assert not set(password) & set(' ,"\\')
        assert "pathology.results" not in password.lower()
