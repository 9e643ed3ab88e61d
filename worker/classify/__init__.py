"""The classifier: headers, folder and keywords in, a verdict with its evidence out. Pure functions.

A header can only add suspicion, never remove it. `boundary` decides which headers are believed; one file per source
reads what they say.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from worker.classify import authentication, exchange, keywords, placement, rspamd, spamassassin, trend
from worker.classify.boundary import Belief, find_boundary
from worker.classify.kinds import Kind, kinds
from worker.classify.policy import SOURCES, JunkPolicy
from worker.classify.reading import Reader, Reading, headers_of
from worker.message.mime.headers import Headers
from worker.message.verdict import Evidence, MailPath, Verdict

__all__ = ["JunkPolicy", "classify"]

DEFAULT_POLICY = JunkPolicy()
MOST_EVIDENCE = 40
"""The most pieces of evidence kept per message, because a sender can repeat a header ten thousand times."""

_RECORDED_ONLY = "recorded only: the settings don't count this source"


class _Rule(NamedTuple):
    source: str
    header: str
    belief: Belief
    read: Reader


def _rules() -> dict[str, _Rule]:
    rules = [_Rule("exchange", name, Belief.BY_NAME, read) for name, read in exchange.READERS.items()]
    rules += [_Rule("exchange", f"{name}-Untrusted", Belief.NEVER, read) for name, read in exchange.READERS.items()]
    others = {"trend": trend, "spamassassin": spamassassin, "rspamd": rspamd, "authentication": authentication}
    for source, module in others.items():
        rules += [_Rule(source, name, Belief.BY_PLACE, read) for name, read in module.READERS.items()]
    return {rule.header.lower(): rule for rule in rules}


_RULES = _rules()


def classify(
    headers: Sequence[tuple[str, str]],
    *,
    in_junk_folder: bool,
    keywords: frozenset[str] = frozenset(),
    policy: JunkPolicy = DEFAULT_POLICY,
) -> Verdict:
    """Decide the path of a message, and return it with all evidence. No input makes it raise.

    headers: (name, value) pairs as sent, folded, in order.
    in_junk_folder: whether the message is in the junk folder.
    keywords: the message's IMAP keywords, if the server has any.
    """
    evidence = _from_outside_the_message(in_junk_folder, keywords, policy)
    evidence += _from_headers(headers_of(headers), policy)
    kept = _kept(evidence)
    return Verdict(MailPath.JUNK if any(piece.counts for piece in kept) else MailPath.CLEAN, kept)


def _from_outside_the_message(in_junk_folder: bool, words: frozenset[str], policy: JunkPolicy) -> list[Evidence]:
    # No sender can forge these, so they are always believed. No setting turns the junk folder off.
    found = [Evidence("placement", None, r.value, r.reason, counts=True) for r in placement.read(in_junk_folder)]
    return found + [_weighed("keyword", None, r, None, policy) for r in keywords.read(words)]


def _from_headers(headers: Headers, policy: JunkPolicy) -> list[Evidence]:
    names = headers.positions.keys() & _RULES.keys()
    if not names:
        return []
    boundary = find_boundary(headers, policy)
    found: list[tuple[int, Evidence]] = []
    for name in names:
        rule = _RULES[name]
        for position, value in headers.placed(name):
            doubt = boundary.doubt(rule.belief, position)
            # Mention a header that isn't believed only if it would have counted.
            found += [
                (position, _weighed(rule.source, rule.header, reading, doubt, policy))
                for reading in rule.read(value, policy)
                if reading.suspicious or doubt is None
            ]
    found.sort(key=itemgetter(0))  # in the order of the headers, and of what each says
    return [piece for _, piece in found]


def _weighed(source: str, header: str | None, reading: Reading, doubt: str | None, policy: JunkPolicy) -> Evidence:
    if not reading.suspicious:
        return Evidence(source, header, reading.value, reading.reason, counts=False)
    if doubt is None and source not in policy.sources:
        doubt = _RECORDED_ONLY
    return Evidence(source, header, reading.value, doubt or reading.reason, counts=doubt is None)


def _kept(evidence: list[Evidence]) -> tuple[Evidence, ...]:
    """Return each piece once, in the order of the sources.

    If there are too many, keep the first counting piece of each source and kind, then the other counting ones, so that
    a sender can't crowd out the evidence that decides the handlers.
    """
    pieces = list(dict.fromkeys(evidence))
    if len(pieces) > MOST_EVIDENCE:
        firsts: dict[tuple[str, frozenset[Kind]], Evidence] = {}
        for piece in pieces:
            if piece.counts:
                firsts.setdefault((piece.source, kinds([piece])), piece)
        counting = [piece for piece in pieces if piece.counts]
        pieces = list(dict.fromkeys([*firsts.values(), *counting, *pieces]))[:MOST_EVIDENCE]
    return tuple(sorted(pieces, key=lambda piece: SOURCES.index(piece.source)))
