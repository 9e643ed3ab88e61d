"""The end of a sign-in with a browser: the address that the browser is sent back to, read without trusting it.

Anybody on this machine can ask our listener for an address, and so can any page in the person's browser. Only the
sign-in's own `state`, which nobody else knows, makes an address the answer. The rest is read strictly, and what isn't
needed is dropped.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import SplitResult, parse_qsl, urlsplit

from worker.login.sign_in_advice import UNFINISHED
from worker.mailbox.login_failures import FailureClass, LoginFailure, Phase, failure

LONGEST: Final = 16_384
"""The most characters of an address that is read. Microsoft's have about 2,000."""
_MOST_FIELDS: Final = 32
_KEPT: Final = ("state", "code", "error", "error_description")
_DEFAULT_PORT: Final = 80


class UnfitRedirect(Exception):
    """This isn't the sign-in's answer. The text says why, in words that fit after 'because', and quotes nothing."""


class Redirects(Protocol):
    """A way in which the sign-in service's answer comes from the browser to us."""

    @property
    def redirect_uri(self) -> str:
        """The address that the service sends the browser back to."""

    def answer(self, address: str, state: str) -> Mapping[str, str]:
        """Send a person to an address of the sign-in service, and return what came back.

        state: identifies this sign-in; an answer without it is none.

        Returns:
            `state`, and either `code`, or `error` and perhaps `error_description`.

        Raises:
            LoginFailed: the person gave up, or nothing came in time.
        """


class Person(Protocol):
    """The person who runs the command."""

    def tell(self, text: str) -> None:
        """Show them a text."""

    def ask(self, prompt: str) -> str | None:
        """Return the line that they answer; None if there won't be any more."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The answer that a sign-in waits for. redirect_uri: where it comes to. state: the sign-in's own."""

    redirect_uri: str
    state: str = field(repr=False)

    def from_address(self, text: str) -> dict[str, str]:
        """Read an address that a person has pasted.

        Raises:
            UnfitRedirect
        """
        text = text.strip()
        if text[:1] + text[-1:] in ("<>", '""', "''"):
            text = text[1:-1]
        if not text.isprintable() or " " in text or len(text) > LONGEST:
            raise UnfitRedirect("it isn't one whole address")
        if "://" not in text.partition("?")[0]:
            text = f"http://{text}"  # some browsers hide it
        try:
            found, expected = urlsplit(text), urlsplit(self.redirect_uri)
            same = (found.scheme, found.hostname, _port(found)) == ("http", expected.hostname, _port(expected))
        except ValueError:
            raise UnfitRedirect("it isn't an address") from None
        if not same or "@" in found.netloc or found.path not in ("", "/"):
            raise UnfitRedirect(f"it doesn't begin with {self.redirect_uri}")
        if found.fragment:
            raise UnfitRedirect("it has a part after a #")
        return self.from_query(found.query)

    def from_query(self, query: str) -> dict[str, str]:
        """Read the part of an address after its question mark.

        Raises:
            UnfitRedirect
        """
        if len(query) > LONGEST:
            raise UnfitRedirect("it is too long")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        except ValueError:  # too many fields, or not UTF-8
            raise UnfitRedirect("it can't be read") from None
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise UnfitRedirect("it has the same part twice")
        if not hmac.compare_digest(fields.get("state", "").encode("utf-8", "replace"), self.state.encode()):
            raise UnfitRedirect("it isn't from this sign-in, but from another or an earlier one")
        if bool(fields.get("code")) == bool(fields.get("error")):
            raise UnfitRedirect("it holds neither a code nor an error, or both")
        if not all(_is_visible(fields.get(name, "")) for name in ("code", "error")):
            raise UnfitRedirect("it holds characters that no code has")
        return {name: fields[name] for name in _KEPT if fields.get(name)}


def unfinished() -> LoginFailure:
    """The failure of a sign-in that the person didn't finish. Nothing was sent."""
    return failure(FailureClass.AMBIGUOUS, "token", said=UNFINISHED, phase=Phase.CONNECT)


def _port(address: SplitResult) -> int:
    return _DEFAULT_PORT if address.port is None else address.port


def _is_visible(text: str) -> bool:
    """Whether a text has the characters that RFC 6749 gives a code and an error, and no others."""
    return text.isascii() and text.isprintable()
