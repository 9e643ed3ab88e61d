"""The readers of Received lines and statements find what a plain reading, word by word and header by header, finds."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.blocks import EXCHANGE, FOREIGN, OTHERS, PROVIDERS, Header, any_received, plain_headers
from worker.classify import JunkPolicy, classify
from worker.classify.boundary import Boundary, find_boundary, hop, is_provider
from worker.classify.policy import OUTSIDE_HOSTS
from worker.classify.sender_check import is_confirmed
from worker.message.mime.headers import Headers
from worker.message.verdict import Evidence

POLICIES = [JunkPolicy(), JunkPolicy(provider_hosts=("mail.nhs.net",)), JunkPolicy(believe_without_provider=False)]
WORD = re.compile(r"\\.|[()]|[^\s()\\]+", re.DOTALL)
PIECES = ["from", "by", "FROM", " ", "  ", "\r\n\t", "(", ")", "\\", "\\)", ";", ".", "a", "mail.nhs.net", "é", "\x1c"]
LINES = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.builds(
    "{}from{}{}{}{}by{}{}{}".format,
    *(st.sampled_from(piece) for piece in (["", " ", "(x) "], [" ", "\t", " (c) ", "(c)"], ["a.b", "by", "", "[1]"])),
    *(st.sampled_from(piece) for piece in ([" ", "(c)", " (c) ", " ((c)) "], [" ", "", ") "], [" ", " (c) "])),
    *(
        st.sampled_from(piece)
        for piece in (["mail.nhs.net", "x.;y", ";", "by"], [";", " (", " (d) ; (e)", "", " with\n"])
    ),
)
RESULTS = st.sampled_from(
    ["compauth=pass reason=100", "spf=fail (a (b)) smtp.mailfrom=x; dmarc=fail", "", "dmarc=none"]
)
INSIDE = re.compile(r"\s*from\s+\S+\s+\((10\.1\.2\.3|192\.0\.2\.7)\)\s+by\s", re.IGNORECASE)
"""The addresses in these blocks that aren't global."""
BLOCKS = st.lists(
    st.sampled_from(FOREIGN + EXCHANGE)
    | any_received
    | plain_headers
    | st.just(("Received", "from am0.prod.outlook.com (10.1.2.3) by am1.prod.outlook.com with mapi; Mon"))
    | st.tuples(st.sampled_from(["Authentication-Results", "authentication-results"]), RESULTS)
    | st.tuples(st.just("Received"), LINES)
    | st.sampled_from([("X-Microsoft-Antispam-\u212a", "BCL:9"), ("X-TM-AS-User-Bloc\u212aed-Sender", "Yes")]),
    max_size=12,
)


def words_outside_comments(text: str) -> tuple[list[str], bool]:
    words: list[str] = []
    depth = 0
    for word in WORD.findall(text):
        if word == "(":
            if words == ["from"]:
                words.append("")
            depth += 1
        elif word == ")":
            depth = max(0, depth - 1)
        elif not depth:
            words.append(word)
    return words, not depth


def hop_word_by_word(value: str) -> tuple[str | None, str | None]:
    text = value[:2048].encode("ascii", "replace").decode().lower()
    words, closed = words_outside_comments(text)
    words = words if closed else text.split()
    sender = None
    if words[:1] == ["from"]:
        sender, words = "".join(words[1:2]), words[2:]
    elif words[:1] != ["by"]:
        return None, None
    sender = sender and sender.rstrip(";").rstrip(".")
    if "by" not in words[:-1]:
        return sender, None
    receiver = words[words.index("by") + 1].partition(";")[0]
    return sender, receiver and receiver.rstrip(";").rstrip(".")


def boundary_header_by_header(headers: list[Header], policy: JunkPolicy) -> Boundary:
    recognised = False
    for position, (name, value) in enumerate(headers):
        if name.lower() != "received":
            continue
        sender, receiver = hop_word_by_word(value)
        if not is_provider(receiver, policy.provider_hosts):
            return Boundary(recognised, position if recognised else None, policy.believe_without_provider)
        outside = sender is not None and (
            not is_provider(sender, policy.provider_hosts) or is_provider(sender, OUTSIDE_HOSTS)
        )
        if outside:
            return Boundary(True, position, policy.believe_without_provider)
        recognised = True
    return Boundary(recognised, None, policy.believe_without_provider)


@given(LINES)
def test_a_hop_is_what_its_words_say(value: str) -> None:
    assert hop(value) == hop_word_by_word(value)


@given(BLOCKS, st.sampled_from(POLICIES))
def test_the_boundary_is_where_a_search_from_the_top_ends(headers: list[Header], policy: JunkPolicy) -> None:
    expected = boundary_header_by_header(headers, policy)
    assert find_boundary(headers, policy) == find_boundary(Headers(headers), policy) == expected


@given(BLOCKS, st.sampled_from(POLICIES), st.booleans())
def test_the_evidence_of_each_header_is_the_same_among_others(
    headers: list[Header], policy: JunkPolicy, in_junk_folder: bool
) -> None:
    """All other headers but the Received lines may be left out, one after the other: each adds its own evidence."""
    whole = classify(headers, in_junk_folder=in_junk_folder, policy=policy)
    assert classify(Headers(headers), in_junk_folder=in_junk_folder, policy=policy) == whole
    alone: list[Evidence] = []
    for position, (name, _) in enumerate(headers):
        kept = [
            header if place == position or header[0].lower() == "received" else ("X-Other", "")
            for place, header in enumerate(headers)
        ]
        if name.lower() != "received":
            alone += classify(kept, in_junk_folder=False, policy=policy).evidence
    folder = classify([], in_junk_folder=in_junk_folder, policy=policy).evidence
    by_source = [piece for piece in whole.evidence if piece not in folder]
    sources = [piece.source for piece in by_source]
    assert by_source == sorted(dict.fromkeys(alone), key=lambda piece: sources.index(piece.source))


@given(BLOCKS, st.sampled_from(POLICIES), st.sampled_from([*OTHERS, *PROVIDERS]))
def test_the_statement_is_the_topmost_above_the_boundary(headers: list[Header], policy: JunkPolicy, host: str) -> None:
    address = f"a@{host}"
    believed = statement_header_by_header(headers, policy)
    entered = ("Received", "from evil.example (192.0.2.9) by mail.nhs.net; Mon")
    alone = [("Authentication-Results", believed), entered]
    assert is_confirmed(headers, address, policy) is is_confirmed(alone, address, policy)


def statement_header_by_header(headers: list[Header], policy: JunkPolicy) -> str:
    boundary = boundary_header_by_header(headers, policy)
    if not boundary.recognised or boundary.ends_at is None:
        return ""
    for name, value in headers[: boundary.ends_at]:
        if name.isascii() and name.lower() == "authentication-results":
            return value
        if name.lower() == "received" and not INSIDE.match(value):
            return ""
    return ""
