"""Whatever bytes stand in a header or a parameter: text that can be encoded comes out, or a documented error."""

import base64
import itertools
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import CHARSETS, CODECS, HEADERS, TEXTS, TYPES, hostile
from tests.unit.message.messages import message, use
from tests.unit.message.mime import winmail
from worker import as_json, describe
from worker.classify import classify
from worker.message.message import Message
from worker.message.mime import content
from worker.message.mime.limits import MessageUnparsable

PDF = b"Content-Type: application/pdf"


def attached(*headers: bytes, body: bytes = b"%PDF-1.7") -> Message:
    """A message with one attachment."""
    part = b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body
    return message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part + b"\r\n--b--\r\n")


@pytest.mark.parametrize(
    ("content_type", "read"),
    [
        (b"application/p\xe9df", "application/pédf"),
        (b"application/p\xc3\xa9df", "application/pédf"),
        (b"application/\xed\xa0\x80", "application/í\xa0€".replace("\xa0", " ")),
        (b"application/\x81", "application/\ufffd"),
        (b"application/x\0y", "application/x y"),
        (b"application/x\x1b[2J", "application/x [2j"),
        (b"application/x\r\n y", "application/x y"),
    ],
)
def test_a_raw_byte_in_a_content_type_breaks_no_description(content_type: bytes, read: str) -> None:
    seen = attached(b"Content-Type: " + content_type, b"Content-Disposition: attachment; filename=r.pdf")
    assert seen.attachments[0].content_type == read
    assert as_json(describe(seen))
    use(seen)


@pytest.mark.parametrize(
    ("parameter", "read"),
    [
        (b"filename*=utf-7''+2AA-.pdf", "\ufffd.pdf"),
        (b"filename*=utf-7''%2B2AA-", "\ufffd"),
        (b"filename*=utf-16-be''%d8%00%00a", "\ufffda"),
        (b"filename*=utf-16''%d8", "\ufffd"),
        (b"filename*0*=utf-7''+2AA-; filename*1=.pdf", "\ufffd.pdf"),
        (b"filename*=utf-8''caf\xe9%C3%A9", "cafï¿½".replace("ï¿½", "\ufffd") + "é"),
        (b"filename*=iso-8859-1''caf\xe9%e9", "caféé"),
        (b"filename*=utf\0-8''%C3%A9", "é"),
        (b"filename*=no-such''%C3%A9", "é"),
        (b"filename*=\xff''%e9", "é"),
        (b"filename*=''%C3%A9", "é"),
        (b'filename="caf\xe9"', "café"),
        (b"filename=caf\xc3\xa9", "café"),
        (b"filename=a\0b\x1b", "a b"),
        (b'filename="=?utf-7?q?+2AA-?="', "\ufffd"),
    ],
)
def test_a_file_name_in_any_charset_is_text(parameter: bytes, read: str) -> None:
    seen = attached(PDF, b"Content-Disposition: attachment; " + parameter)
    assert seen.attachments[0].filename == read
    assert (seen.kind, seen.notices, seen.protection) == ("mail", (), None)
    assert as_json(describe(seen))
    use(seen)


def test_a_name_in_a_winmail_dat_has_no_control_characters() -> None:
    kind = winmail.variable(winmail.UNICODE, 0x370E, "Application/\udfff\0x\0".encode("utf-16-le", "surrogatepass"))
    file = winmail.file("r.pdf", b"%PDF", winmail.text(0x3707, "re\0port\x1b[2J\r\n.pdf"), kind)
    body = base64.b64encode(winmail.winmail(file))
    seen = attached(b"Content-Type: application/ms-tnef", b"Content-Transfer-Encoding: base64", body=body)
    (unpacked,) = seen.attachments
    assert (unpacked.filename, unpacked.content_type) == ("re port [2J  .pdf", "application/\ufffd x")
    use(seen)


def test_a_boundary_is_found_by_its_bytes() -> None:
    for boundary in (b"b\xe9", b"\xc3\xa9", b"\xed\xa0\x80"):
        parts = b"--%b\r\n\r\ntext\r\n--%b\r\n%b\r\n\r\n%%PDF\r\n--%b--" % (boundary, boundary, PDF, boundary)
        seen = message(b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + parts)
        assert (seen.text, [file.content_type for file in seen.attachments]) == ("text", ["application/pdf"])


WRITTEN = (
    b"%(name)b=%(raw)b", b'%(name)b="%(raw)b"', b'%(name)b="%(raw)b', b"%(name)b*=%(charset)b''%(quoted)b",
    b"%(name)b*=%(charset)b'en'%(raw)b", b"%(name)b*=%(quoted)b",
    b"%(name)b*0*=%(charset)b''%(quoted)b; %(name)b*1=%(raw)b",
    b"%(name)b*1=%(raw)b; %(name)b*0*=%(charset)b''%(quoted)b", b'%(name)b="=?%(charset)b?b?%(base64)b?="',
    b"%(name)b*-1*=%(charset)b''%(quoted)b", b"%(name)b*\xb2=%(raw)b", b"%(name)b*=%(charset)b'%(raw)b",
)  # fmt: skip
"""The ways in which a parameter is written."""
CONTROLLED = ("filename", "charset", "name")


def written(form: bytes, name: str, charset: bytes, value: bytes) -> bytes:
    quoted = quote_from_bytes(value, "").encode()
    parts = {b"name": name.encode(), b"charset": charset, b"raw": value, b"quoted": quoted}
    return form % (parts | {b"base64": base64.b64encode(value)})


@pytest.mark.parametrize("form", WRITTEN)
def test_every_way_to_write_a_parameter_in_every_charset(form: bytes) -> None:
    """Over all forms 6,500 messages, each with three parameters."""
    for charset, value in itertools.product((*CHARSETS, *CODECS), (b"+2AA-", b"\xd8\x00a", b"\xed\xa0\x80\0")):
        name, kind, body = (written(form, name, charset.encode(), value) for name in ("filename", "charset", "name"))
        seen = attached(b"Content-Type: text/csv; " + kind + b"; " + body, b"Content-Disposition: inline; " + name)
        assert as_json(describe(seen))
        for file in seen.attachments:
            _ = [text.encode() for text in (file.filename or "", file.safe_filename, file.content_type)]


VALUES = st.binary(max_size=60) | st.lists(st.sampled_from(TEXTS), max_size=4).map(b"".join)
CHOSEN = st.sampled_from(CHARSETS).map(str.encode) | st.binary(max_size=10)
NAMES = st.sampled_from(["filename", "charset", "name", "boundary", "method", "smime-type", "report-type", "\u00fc"])
PARAMETERS = st.builds(written, st.sampled_from(WRITTEN), NAMES, CHOSEN, VALUES)
WORDS = st.tuples(CHOSEN, st.sampled_from([b"b", b"q"]), VALUES | VALUES.map(base64.b64encode)).map(
    lambda word: b"=?%b?%b?%b?=" % word
)
TYPED = st.tuples(st.sampled_from(TYPES) | VALUES, st.lists(PARAMETERS, max_size=3)).map(
    lambda typed: b"; ".join([typed[0], *typed[1]])
)
DESCRIBING = st.sampled_from([b"Content-Type", b"Content-Disposition", b"Content-ID", b"Content-Transfer-Encoding"])
LINES = (st.tuples(st.sampled_from(HEADERS) | VALUES, VALUES | WORDS) | st.tuples(DESCRIBING, TYPED)).map(b": ".join)


@given(st.lists(LINES, max_size=6), st.lists(LINES, max_size=4), VALUES)
def test_any_bytes_in_any_header_and_parameter(headers: list[bytes], part: list[bytes], body: bytes) -> None:
    top = b"".join(line + b"\r\n" for line in headers)
    use(message(top + b"\r\n" + body))
    inner = b"".join(line + b"\r\n" for line in part)
    use(
        message(
            top + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + inner + b"\r\n" + body + b"\r\n--b--"
        )
    )


@pytest.mark.parametrize("hundred", range(3))
def test_hostile_messages(hundred: int) -> None:
    for number in range(hundred * 100, hundred * 100 + 100):
        raw = hostile(number)
        seen = message(raw)
        use(message(raw, verdict=classify(seen.headers, in_junk_folder=False)))


def test_hostile_messages_are_the_same_again_and_many() -> None:
    assert hostile(7) == hostile(7)
    assert len({hostile(number) for number in range(100)}) == 100


def test_what_no_one_foresaw_is_a_documented_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("secret")

    for name in ("files", "parse", "text_of"):
        with monkeypatch.context() as patch:
            patch.setattr(content, name, broken)
            seen = message(b"Content-Type: text/html\r\n\r\n<p>x")
            with pytest.raises(MessageUnparsable) as refusal:
                _ = (seen.attachments, seen.text)
            assert (refusal.value.cause, refusal.value.__context__) == ("RuntimeError", None)
            assert "secret" not in str(refusal.value)
            assert (seen.kind, seen.notices, seen.protection, seen.stand_in) == ("mail", (), None, None)
            use(seen)


def test_what_cannot_be_put_into_json_is_a_documented_error() -> None:
    with pytest.raises(MessageUnparsable):
        describe(message(b"\r\n", folder="\udcff"), attachments=False)
