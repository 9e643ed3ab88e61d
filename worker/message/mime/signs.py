"""What the headers and the texts of a message say about it: its kind, its protection, what the provider did to it.

The provider's wording is that of NHSmail and Exchange Online, as seen in real mail; it may change, so a notice says
what was found and never that nothing was changed.
"""

import html
import re
from collections.abc import Iterable

from worker.message.mime.headers import Headers

_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[\w-]+")
_SPACE = re.compile(r"\s+")
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
"""By the rarest word in them."""
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
    """Whether the headers are those that Exchange gives in place of a message that it can't convert for IMAP."""
    subject, sender = headers.get("Subject"), headers.get("From")
    return bool(subject and sender and _RETRIEVAL_SUBJECT.match(subject) and _RETRIEVAL_SENDER.match(sender))


def says_retrieval_failed(text: str) -> bool:
    """Whether a body is the one of such a stand-in, whatever apostrophe it has."""
    return bool(_RETRIEVAL_BODY.search(plain(text[:20_000])))


def kind_by_headers(headers: Headers) -> str:
    """`bounce`, `receipt`, `auto-reply`, `calendar` or `mail`, as far as the headers tell.

    RFC 3462 and 3464 (reports), RFC 8098 (receipts), RFC 3834 (automatic answers), and Exchange's own headers.
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
    submitted = _first_word(headers.get("Auto-Submitted"))  # a comment or parameters may follow
    if submitted == "auto-replied":
        return True
    if any(headers.raw(name) for name in ("X-Autoreply", "X-Autorespond", "X-Autoresponder")):
        return True
    if _first_word(headers.get("Precedence")) in ("auto_reply", "auto-reply"):
        return True
    # Exchange marks its out-of-office answers as merely generated; only the subject tells them from alerts.
    subject = (headers.get("Subject") or "").lower()
    return submitted == "auto-generated" and subject.startswith(("automatic reply:", "out of office:", "autoreply:"))


def _first_word(value: str | None) -> str:
    match = _WORD.match(value or "")
    return match[0].lower() if match else ""


def protection_of_type(content_type: str, filename: str | None = None) -> str | None:
    """What protects a part, by its Content-Type header (as a person reads it) and file name; None for nothing.

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
    """The protection of a message as far as its own headers tell."""
    if (headers.get("Content-Class") or "").lower().startswith("rpmsg.message"):
        return "rpmsg"
    return protection_of_type(headers.get("Content-Type") or "text/plain")


def notices_by_headers(headers: Headers) -> tuple[str, ...]:
    """The provider's notices in the subject."""
    return notices_in([headers.get("Subject") or ""], ())


def may_be_scan_stand_in(raw: bytes) -> bool:
    """Whether it is worth looking closer: the words are there, as a file's name may be written (RFC 2047, RFC 2231).

    Cheap, as every message is asked, over all of its bytes.
    """
    return _SCAN_NAME_IN_BASE64 in raw or _SCAN_NAME.search(raw) is not None


def is_scan_name(text: str) -> bool:
    """Whether a subject or a file name is that of the stand-in for what Microsoft is still scanning."""
    return text.strip().lower().startswith("atp scan in progress")


def is_pgp_text(text: str) -> bool:
    """Whether a text holds a PGP message or a signed text in its own lines (RFC 9580, section 6.2)."""
    return "-----BEGIN PGP MESSAGE-----" in text or "-----BEGIN PGP SIGNED MESSAGE-----" in text


def notices_in(texts: Iterable[str], filenames: Iterable[str]) -> tuple[str, ...]:
    """The provider's notices in a message's texts (plain or HTML, its subject too) and its attachments' names."""
    found: dict[str, None] = {}
    for text in texts:
        said = _bare(text)
        # Nearly no message has any: a text without a notice's rarest word isn't searched for the others.
        likely = [(notice, words) for rare, group in _NOTICES.items() if rare in said for notice, words in group]
        found.update((notice, None) for notice, words in likely if _bare(words) in said)
    for name in filenames:
        lowered = name.lower()
        found.update((notice, None) for notice, words in _NAME_NOTICES if lowered.startswith(words))
    return tuple(found)


def _bare(text: str) -> str:
    """What is left of a text, in lower case, without what can stand between letters and isn't seen, and without spaces.

    So that neither a tag nor a soft hyphen, nor a line end in the middle of a word, hides what people read.
    """
    text = "".join(_resolved(text, "").split()).lower()
    return text if text.isascii() else _UNSEEN.sub("", text)


def plain(text: str) -> str:
    """A text with its tags taken out, its character references resolved and every run of white space made one space."""
    return _SPACE.sub(" ", _resolved(text, " "))


def _resolved(text: str, for_a_tag: str) -> str:
    if "<" in text:
        text = _TAG.sub(for_a_tag, text)
    return html.unescape(text) if "&" in text else text
