"""Which headers are believed, by their position among the Received lines.

A sender can write any header, but not above those that the provider's servers add on the way in. From the top down, the
first Received line *by* a provider host and *from* another host is where the message entered: the ingress hop. A line
*from* one of the hosts by which other organisations' mail leaves also counts, although its name is the provider's.
Headers above the ingress hop were written by the provider; headers below may have been written by anybody.

Only the topmost Received line decides whether the provider was recognised. If lower ones did as well, a forged one
could turn belief off and so make junk clean.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from worker.classify.policy import OUTSIDE_HOSTS, JunkPolicy
from worker.classify.reading import headers_of, plain


class Belief(Enum):
    """What is required to believe a header."""

    BY_NAME = "its exact name: Exchange renames or strips foreign ones on entry"
    BY_PLACE = "a place above the ingress hop"
    NEVER = "nothing: it is a foreign organisation's, renamed"


UNTRUSTED = "ignored: a foreign organisation's report, renamed by Exchange"
UNKNOWN_WAY = "ignored: the topmost Received line is not by a provider host"
BELOW = "ignored: it stands below the hop by which the message entered"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where belief ends in one message's headers.

    recognised: whether the topmost Received line is by a provider host.
    ends_at: the position of the first header that isn't above the ingress hop. None: the message never left the
        provider's hosts.
    """

    recognised: bool
    ends_at: int | None
    believe_without_provider: bool

    def doubt(self, belief: Belief, position: int) -> str | None:
        """Return why a header at this position isn't believed; None if it is."""
        if belief is Belief.NEVER:
            return UNTRUSTED
        if not self.recognised:
            return None if self.believe_without_provider else UNKNOWN_WAY
        if belief is Belief.BY_PLACE and self.ends_at is not None and position >= self.ends_at:
            return BELOW
        return None


def find_boundary(headers: Sequence[tuple[str, str]], policy: JunkPolicy) -> Boundary:
    """Search the Received lines from the top for the hop where the message entered."""
    return _boundary(tuple(headers_of(headers).placed("received")), policy)


@lru_cache(maxsize=4)
def _boundary(received: tuple[tuple[int, str], ...], policy: JunkPolicy) -> Boundary:
    """As `find_boundary`, by position and value of each Received line.

    A message needs it twice in a row, for its verdict and for its sender.
    """
    recognised = False
    for position, value in received:
        sender, receiver = hop(value)
        if not is_provider(receiver, policy.provider_hosts):
            # Not written by the provider although its line was due: nothing from here on is the provider's.
            return Boundary(recognised, position if recognised else None, policy.believe_without_provider)
        if sender is not None and not _is_internal(sender, policy):
            return Boundary(True, position, policy.believe_without_provider)
        recognised = True
    return Boundary(recognised, None, policy.believe_without_provider)


_WORD = re.compile(r"\\.|[()]|[^\s()\\]+", re.DOTALL)
_USUAL = re.compile(
    r"from\s++([^\s()\\]++)\s++(?:\([^()\\]*+\)\s*+)?+by\s++([^\s()\\;]++)(?=[;\s]|$)"
    r"[^()\\]*+(?:\([^()\\]*+\)[^()\\]*+)*+"
)
"""A line as servers write it. Its comments are closed, and aren't within one another."""
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,254}")
_RECEIVED_LIMIT = 2_048  # a real line has about 400 characters, with the host names at the beginning


def hop(value: str) -> tuple[str | None, str | None]:
    """Return the hosts `from` and `by` of a Received line (RFC 5321, 4.4) in lower case; None for a missing one.

    `from` is the sender's own greeting, so it may contain anything but white space, such as the word `by` or an
    unclosed bracket. Nothing in it may hide the real `by` or introduce another.
    """
    text = plain(value[:_RECEIVED_LIMIT]).lower()
    if usual := _USUAL.fullmatch(text):
        return _host(usual[1]), _host(usual[2])
    words, closed = _outside_comments(text)
    if not closed:
        words = text.split()
    sender: str | None = None
    if words[:1] == ["from"]:
        sender = "".join(words[1:2])
        words = words[2:]
    elif words[:1] != ["by"]:
        return None, None
    if "by" not in words[:-1]:
        return _host(sender), None
    # Some servers put no space between their name and the date. The sender's greeting is used as it is.
    return _host(sender), _host(words[words.index("by") + 1].partition(";")[0])


def _outside_comments(text: str) -> tuple[list[str], bool]:
    """Return the words outside comments (a comment right after `from` as ''), and whether all comments are closed."""
    words: list[str] = []
    depth = 0
    for match in _WORD.finditer(text):
        word = match[0]
        if word == "(":
            if words == ["from"]:
                words.append("")
            depth += 1
        elif word == ")":
            depth = max(0, depth - 1)
        elif not depth:
            words.append(word)
    return words, not depth


def _host(word: str | None) -> str | None:
    return word and word.rstrip(";").rstrip(".")


def _is_internal(sender: str, policy: JunkPolicy) -> bool:
    return is_provider(sender, policy.provider_hosts) and not is_provider(sender, OUTSIDE_HOSTS)


def is_provider(host: str | None, patterns: tuple[str, ...]) -> bool:
    """Whether a host is one of the provider's. `*.nhs.net` matches every host below nhs.net, but not nhs.net itself."""
    if host is None or not _NAME.fullmatch(host):
        return False
    names, endings = _compiled(patterns)
    return host in names or host.endswith(endings)


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    patterns = tuple(pattern.lower() for pattern in patterns)
    names = frozenset(pattern for pattern in patterns if not pattern.startswith("*."))
    return names, tuple(pattern[1:] for pattern in patterns if pattern.startswith("*."))
