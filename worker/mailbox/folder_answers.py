"""Reads the untagged answers to the commands on folders: LIST, NAMESPACE and STATUS."""

from collections.abc import Sequence

from imapclient import imap_utf7
from imapclient.imapclient import as_pairs
from imapclient.response_parser import parse_response

from worker.mailbox.fetch_answers import answers


def listed_in(lines: Sequence[object]) -> list[tuple[tuple[object, ...], str]]:
    """Flags and names of the folders that LIST names."""
    listed = [parse_response(answer)[:3] for answer in answers(lines)]
    return [(flags, str(imap_utf7.decode(name))) for flags, _, name in listed if isinstance(name, bytes)]


def namespaces_in(lines: Sequence[object]) -> list[tuple[str, str]]:
    """Prefix and delimiter of each personal namespace (RFC 2342). IMAPClient's own reading allows no extensions."""
    (personal, *_) = parse_response(lines) or (None,)
    return [(imap_utf7.decode(prefix or b""), text_of(delimiter or b"")) for prefix, delimiter, *_ in personal or ()]


def status_in(lines: Sequence[object]) -> dict[bytes, object]:
    """What STATUS says of one folder.

    Raises:
        ValueError: there are the answers to two commands, so that it isn't known which is which; or none.
    """
    (answer,) = answers(lines)
    return dict(as_pairs(parse_response(answer)[-1]))


def folder_in(said: Sequence[object]) -> bytes:
    """The folder that STATUS names, in the command or in an answer to it."""
    name = parse_response(said)[0]
    plain = name if isinstance(name, bytes) else str(name).encode()
    return b"INBOX" if plain.upper() == b"INBOX" else plain


def text_of(value: object) -> str:
    """A name or flag as text; IMAPClient returns some as bytes."""
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
