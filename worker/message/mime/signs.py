"""What a message's headers and texts show: its kind, its protection, and what the provider did to it.

The notices are those of NHSmail and Exchange Online, as worded in real mail. The wording may change: a notice proves
that something was changed, but the lack of one doesn't prove that nothing was.
"""

import html
import io
import re
from collections.abc import Iterable, Iterator

from worker.message.mime.headers import Headers

_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[\w-]+")
_SPACE = re.compile(r"\s+")
_BRACKET = re.compile("[<>]")
_LOWER = bytes(range(128)).lower() + bytes(range(128, 256))
_WHITE_SPACE = "".join(chr(code) for code in range(128) if chr(code).isspace()).encode()
_LONGEST_REFERENCE = 40  # characters of a character reference, such as `&CounterClockwiseContourIntegral;`
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+")

_NOTICES = {
    "nhsmail": (
        ("attachment-removed", "nhsmail detected and removed a file named"),
        (
            "impersonation-warning",
            "this message was sent from an email address external to nhsmail but gives the appearance",
        ),
        ("external-sender", "the message originated from outside of nhsmail"),
    ),
    "unsafe": (("unsafe-attachment-blocked", "unsafe attachments blocked"),),
    "atp": (("atp-scan-in-progress", "atp scan in progress"),),
}
"""Each group of notices under the rarest word in them."""
_NAME_NOTICES = (
    ("malware-alert", "malware alert text"),
    ("unsafe-attachment-blocked", "unsafe attachments blocked"),
    ("atp-scan-in-progress", "atp scan in progress"),
)

_SCAN_NAME = re.compile(rb"ATP(?:[ _]|=20|%20)Scan")
_SCAN_NAME_IN_BASE64 = b"QVRQIFNjYW4"
_RETRIEVAL_SUBJECT = re.compile(
    r"Retrieval using the IMAP4 protocol failed for the following message: *\d+", re.IGNORECASE
)
_RETRIEVAL_SENDER = re.compile(r'\s*"?Microsoft Exchange Server\b', re.IGNORECASE)
_RETRIEVAL_BODY = re.compile(r"the server could(?:n.{0,8}?t| not) retrieve the following message", re.IGNORECASE)


def is_retrieval_stand_in(headers: Headers) -> bool:
    """Whether these are the headers of Exchange's placeholder for a message that it can't convert for IMAP."""
    if not _RETRIEVAL_SUBJECT.match(headers.get("Subject") or ""):
        return False
    return bool(_RETRIEVAL_SENDER.match(headers.get("From") or ""))


def says_retrieval_failed(text: str) -> bool:
    """Whether a body is that of such a placeholder, whichever apostrophe it uses."""
    return bool(_RETRIEVAL_BODY.search(plain(text[:20_000])))


def kind_by_headers(headers: Headers) -> str:
    """Return `bounce`, `receipt`, `auto-reply`, `calendar` or `mail`, judging by the headers alone.

    RFC 3462 and 3464 (reports), RFC 8098 (receipts), RFC 3834 (automatic replies), and Exchange's own headers.
    """
    content_type = (headers.get("Content-Type") or "").lower()
    media_type = content_type.partition(";")[0].strip()
    if media_type == "multipart/report":
        return "receipt" if "disposition-notification" in content_type else "bounce"
    if headers.raw("X-Failed-Recipients") or media_type == "message/delivery-status":
        return "bounce"
    if media_type == "message/disposition-notification":
        return "receipt"
    content_class = (headers.get("Content-Class") or "").lower()
    if media_type == "text/calendar" or "calendarmessage" in content_class:
        return "calendar"
    return "auto-reply" if _is_automatic(headers) else "mail"


def _is_automatic(headers: Headers) -> bool:
    submitted = _first_word(headers.get("Auto-Submitted"))  # may be followed by a comment or parameters
    if submitted == "auto-replied":
        return True
    if any(headers.raw(name) for name in ("X-Autoreply", "X-Autorespond", "X-Autoresponder")):
        return True
    if _first_word(headers.get("Precedence")) in ("auto_reply", "auto-reply"):
        return True
    # Exchange marks its out-of-office replies as auto-generated; only the subject distinguishes them from alerts.
    subject = (headers.get("Subject") or "").lower()
    return submitted == "auto-generated" and subject.startswith(("automatic reply:", "out of office:", "autoreply:"))


def _first_word(value: str | None) -> str:
    match = _WORD.match(value or "")
    return match[0].lower() if match else ""


def protection_of_type(content_type: str, filename: str | None = None) -> str | None:
    """Return the protection of a part, by its decoded Content-Type header and its file name, or None.

    RFC 8551 (S/MIME), RFC 3156 (PGP), Microsoft's rights-managed `message.rpmsg`.
    """
    lowered = content_type.lower()
    media_type = lowered.partition(";")[0].strip()
    name = (filename or "").lower()
    if media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime") or name == "smime.p7m":
        if "certs-only" in lowered:
            return None
        return "smime-signed" if "signed-data" in lowered else "smime-encrypted"
    if media_type == "application/x-microsoft-rpmsg-message" or name == "message.rpmsg":
        return "rpmsg"
    if media_type == "multipart/encrypted" or media_type == "application/pgp-encrypted":
        return "pgp"
    if media_type == "multipart/signed":
        return "pgp" if "pgp-signature" in lowered else "smime-signed"
    if media_type == "application/pgp-signature":
        return "pgp"
    if media_type in ("application/pkcs7-signature", "application/x-pkcs7-signature"):
        return "smime-signed"
    return None


def protection_by_headers(headers: Headers) -> str | None:
    """Return the protection of a message, judging by its own headers alone."""
    if (headers.get("Content-Class") or "").lower().startswith("rpmsg.message"):
        return "rpmsg"
    return protection_of_type(headers.get("Content-Type") or "text/plain")


def notices_by_headers(headers: Headers) -> tuple[str, ...]:
    """Return the provider's notices in the subject."""
    return notices_in([headers.get("Subject") or ""], ())


def may_be_scan_stand_in(raw: bytes) -> bool:
    """Whether the message contains the scan placeholder's name, in any encoding of file names (RFC 2047, RFC 2231).

    Searches all bytes of the message.
    """
    return _SCAN_NAME_IN_BASE64 in raw or _SCAN_NAME.search(raw) is not None


def is_scan_name(text: str) -> bool:
    """Whether a subject or a file name is that of the placeholder for an attachment still being scanned."""
    return text.strip().lower().startswith("atp scan in progress")


def is_pgp_text(text: str) -> bool:
    """Whether a text contains a PGP message or a PGP-signed text inline (RFC 9580, section 6.2)."""
    return "-----BEGIN PGP MESSAGE-----" in text or "-----BEGIN PGP SIGNED MESSAGE-----" in text


def notices_in(texts: Iterable[str], filenames: Iterable[str]) -> tuple[str, ...]:
    """Return the provider's notices in texts (plain, HTML or a subject) and in the names of attachments."""
    found: dict[str, None] = {}
    for text in texts:
        said = _bare(text)
        # Hardly any message has a notice: search for one only if its rarest word is there.
        likely = [(notice, words) for rare, group in _NOTICES.items() if rare in said for notice, words in group]
        found.update((notice, None) for notice, words in likely if _bare(words) in said)
    for name in filenames:
        lowered = name.lower()
        found.update((notice, None) for notice, words in _NAME_NOTICES if lowered.startswith(words))
    return tuple(found)


def _bare(text: str) -> str:
    """Reduce a text to its visible characters in lower case: no tags, invisible characters or white space.

    Thus a tag, a soft hyphen or a line ending within a word can't hide what people read.
    """
    text = _resolved(text, "")
    if text.isascii():  # nearly always, and then one look at each byte is enough
        return text.encode().translate(_LOWER, _WHITE_SPACE).decode()
    return _UNSEEN.sub("", "".join(text.split()).lower())


def plain(text: str, *, window: int = 100_000) -> str:
    """Remove tags, resolve character references, and reduce every run of white space to one space.

    window: how many characters to work on at a time, because what is substituted takes far more memory than they do.
    """
    out = io.StringIO()
    after_space = False
    for piece in _windows(text, window):
        said = _SPACE.sub(" ", _resolved(piece, " "))
        out.write(said[1:] if after_space and said.startswith(" ") else said)
        after_space = said.endswith(" ") if said else after_space
    return out.getvalue()


def _windows(text: str, size: int) -> Iterator[str]:
    """Cut a long text, but neither a tag nor a character reference."""
    start = 0
    while (end := start + size) < len(text):
        opened, closed = text.rfind("<", start, end), text.rfind(">", start, end)
        bracket = _BRACKET.search(text, end) if opened > closed else None
        if bracket is not None and bracket[0] == ">":
            end = bracket.end()
        elif (reference := text.rfind("&", max(start, end - _LONGEST_REFERENCE), end)) > max(start, closed):
            end = reference
        yield text[start:end]
        start = end
    yield text[start:]


def _resolved(text: str, for_a_tag: str) -> str:
    if "<" in text:
        text = _TAG.sub(for_a_tag, text)
    return html.unescape(text) if "&" in text else text
