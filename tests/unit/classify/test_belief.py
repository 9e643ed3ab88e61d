"""What no sender can do: the promises about forged headers, over generated header blocks."""

from hypothesis import given
from hypothesis import strategies as st

from worker.classify import JunkPolicy, classify
from worker.classify.boundary import BELOW, UNTRUSTED, find_boundary, hop, is_provider
from worker.classify.kinds import Kind, kinds
from worker.classify.policy import PROVIDER_HOSTS
from worker.message.verdict import Evidence, MailPath, Verdict

Header = tuple[str, str]

PROVIDERS = ["mail.nhs.net", "AM7EUR.mail.protection.outlook.com", "LO2.GBRP265.PROD.OUTLOOK.COM"]
OTHERS = ["mail.sender.example", "mx.hospital.example", "[192.0.2.1]", "localhost", "evilnhs.net", ""]
EXCHANGE = [
    ("X-Forefront-Antispam-Report", "SFV:SPM;SCL:9;CAT:PHSH;"),
    ("X-Forefront-Antispam-Report", "SFV:SKA;SCL:-1;CAT:NONE;"),
    ("X-MS-Exchange-Organization-SCL", "6"),
    ("X-MS-Exchange-Organization-SCL", "-1"),
    ("X-Microsoft-Antispam", "BCL:9;"),
    ("X-Microsoft-Antispam-Mailbox-Delivery", "dest:I; wl:1;"),
    ("X-Microsoft-Antispam-Mailbox-Delivery", "dest:J;"),
]
FOREIGN = [
    ("X-TM-AS-Result", "Yes-5.339-5.0-31-1"),
    ("X-TM-AS-Result", "No-10--3.487300-8.000000"),
    ("X-TMASE-Result", "10-5.534000-4.000000"),
    ("X-TM-AS-User-Blocked-Sender", "Yes"),
    ("X-Spam-Flag", "YES"),
    ("X-Spam-Flag", "NO"),
    ("X-Spam-Status", "Yes, score=7.9 required=5.0"),
    ("X-Spam", "Yes"),
    ("X-Spamd-Result", "default: False [-1 / 15]"),
    ("Authentication-Results", "compauth=fail reason=001"),
    ("X-Forefront-Antispam-Report-Untrusted", "SFV:SPM;"),
    ("X-MS-Exchange-Organization-SCL-Untrusted", "9"),
]
names = st.text(st.characters(codec="ascii", exclude_characters=":\r\n \t"), min_size=1, max_size=20)
plain_headers = st.tuples(
    st.sampled_from(["Subject", "From", "X-Spam-Level", "X-Header"]) | names, st.text(max_size=40)
)


def received(senders: list[str], receivers: list[str]) -> st.SearchStrategy[Header]:
    return st.builds(
        lambda sender, receiver, extra: ("Received", f"from {sender} ({extra}) by {receiver} with ESMTP; {extra}"),
        st.sampled_from(senders),
        st.sampled_from(receivers),
        st.sampled_from(["192.0.2.7", "by mail.nhs.net", "x"]),
    )


foreign_headers = st.sampled_from(FOREIGN)
exchange_headers = st.sampled_from(EXCHANGE)
any_received = received(OTHERS + PROVIDERS, OTHERS + PROVIDERS)
# What a sender may write: anything at all but what Exchange strips or renames on entry.
written_by_a_sender = st.lists(
    (foreign_headers | any_received | plain_headers).filter(lambda header: header not in EXCHANGE), max_size=8
)
# What the provider writes on the way in, from the top down to the ingress hop.
inside = st.lists(received(PROVIDERS, PROVIDERS) | foreign_headers | exchange_headers, max_size=6)
ingress = received(["mail.sender.example", "[192.0.2.1]", "((", "by", ""], PROVIDERS)
blocks = st.lists(foreign_headers | exchange_headers | any_received | plain_headers, max_size=12)


def judged(headers: list[Header], in_junk_folder: bool = False) -> Verdict:
    return classify(headers, in_junk_folder=in_junk_folder)


def counting(verdict: Verdict) -> set[Evidence]:
    return {piece for piece in verdict.evidence if piece.counts}


@given(inside, ingress, written_by_a_sender)
def test_a_forged_header_below_the_boundary_changes_nothing(
    above: list[Header], entered: Header, below: list[Header]
) -> None:
    with_it, without = judged([*above, entered, *below]), judged([*above, entered])
    assert with_it.path is without.path
    assert counting(with_it) == counting(without)
    extra = set(with_it.evidence) - set(without.evidence)
    assert all(piece.reason in {BELOW, UNTRUSTED} for piece in extra)


@given(blocks, st.data())
def test_no_header_makes_junk_clean(block: list[Header], data: st.DataObject) -> None:
    """A header of any kind but Received, anywhere."""
    place = data.draw(st.integers(0, len(block)))
    added = data.draw(foreign_headers | exchange_headers | plain_headers.filter(lambda h: h[0].lower() != "received"))
    before, after = judged(block), judged([*block[:place], added, *block[place:]])
    assert counting(before) <= counting(after)
    assert not (before.path is MailPath.JUNK and after.path is MailPath.CLEAN)


@given(
    inside,
    written_by_a_sender,
    st.lists(received(OTHERS + PROVIDERS, OTHERS + PROVIDERS), min_size=1, max_size=4),
    st.data(),
)
def test_no_forged_hop_switches_belief_off(
    above: list[Header], block: list[Header], forged: list[Header], data: st.DataObject
) -> None:
    """Received lines can be forged below the true ingress hop alone: what was believed above it still is."""
    entered = data.draw(ingress)
    place = data.draw(st.integers(0, len(block)))
    before = judged([*above, entered, *block])
    after = judged([*above, entered, *block[:place], *forged, *block[place:]])
    assert counting(before) == counting(after)


@given(
    st.lists(foreign_headers | exchange_headers | plain_headers, max_size=6), written_by_a_sender, written_by_a_sender
)
def test_where_the_topmost_hop_is_unknown_no_forged_hop_switches_belief_off(
    top: list[Header], before: list[Header], forged: list[Header]
) -> None:
    unknown = ("Received", "from mail.sender.example by mx.hospital.example; x")
    assert counting(judged([*top, unknown, *before])) <= counting(judged([*top, unknown, *before, *forged]))


@given(blocks)
def test_mail_in_the_junk_folder_is_junk_whatever_it_says(block: list[Header]) -> None:
    verdict = judged(block, in_junk_folder=True)
    assert verdict.path is MailPath.JUNK
    assert verdict.evidence[0].source == "placement"


@given(
    st.lists(
        st.tuples(names | st.sampled_from([name for name, _ in EXCHANGE + FOREIGN] + ["Received"]), st.text()),
        max_size=20,
    )
)
def test_any_headers_at_all_have_a_verdict(block: list[Header]) -> None:
    verdict = judged(block)
    assert verdict == judged(block), "the same headers, the same verdict"
    assert (verdict.path is MailPath.JUNK) == any(piece.counts for piece in verdict.evidence)


@given(blocks)
def test_the_evidence_is_bounded_and_the_path_follows_from_it(block: list[Header]) -> None:
    verdict = judged(block * 50)
    assert len(verdict.evidence) <= 40
    assert (verdict.path is MailPath.JUNK) == any(piece.counts for piece in verdict.evidence)
    assert verdict.path is judged(block * 50 + block).path


def test_too_much_evidence_keeps_what_counts() -> None:
    noise = [("X-TMASE-Result", f"10-{score}.0-9999.0") for score in range(500)]
    verdict = judged([*noise, ("X-Spam-Flag", "YES")])
    assert len(verdict.evidence) == 40
    assert [piece.source for piece in verdict.evidence if piece.counts] == ["spamassassin"]


def test_too_much_evidence_that_counts_keeps_every_source_and_kind() -> None:
    """Else the sender's own flags, forty of them, would take phishing from the route that is made for it."""
    flags = [("X-TM-AS-Result", f"Yes-{score}.0-5.0-31-1") for score in range(100)]
    last = [("X-Forefront-Antispam-Report", f"SFV:SPM;CAT:{word};") for word in ("SPM", "BULK", "PHSH", "MALW")]
    verdict = judged([*flags, *last, ("X-Spam-Flag", "YES")])
    assert len(verdict.evidence) == 40
    assert {piece.source for piece in verdict.evidence} == {"exchange", "trend", "spamassassin"}
    assert kinds(verdict.evidence) == set(Kind)


def test_evidence_is_in_the_order_of_the_sources() -> None:
    headers = [
        ("X-Spam", "Yes"),
        ("Authentication-Results", "compauth=fail"),
        ("X-TM-AS-Result", "Yes-1.0-1.0-1"),
        EXCHANGE[0],
    ]
    verdict = classify(headers, in_junk_folder=True, keywords=frozenset({"$Junk"}))
    order = list(dict.fromkeys(piece.source for piece in verdict.evidence))
    assert order == ["placement", "exchange", "trend", "rspamd", "keyword", "authentication"]


hosts = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,40}[a-z0-9]", fullmatch=True).filter(lambda host: host != "by")


@given(
    hosts,
    hosts,
    st.text(max_size=30).filter(lambda text: not set(text) & set("()\\")),
    st.sampled_from([" ", "\r\n\t"]),
)
def test_a_hop_is_read_past_its_comments(sender: str, receiver: str, comment: str, space: str) -> None:
    line = (
        f"from{space}{sender} ({comment} (by x.nhs.net)){space}by{space}{receiver} ({comment}) with ESMTP; by y.nhs.net"
    )
    assert hop(line) == (sender, receiver)


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=300).filter(
        lambda text: not text.isspace()
    ),
    hosts,
)
def test_no_greeting_hides_the_hop(greeting: str, receiver: str) -> None:
    """The greeting is the sender's: without white space, it can neither hide the receiver's name nor change it."""
    _, found = hop(f"from {greeting} (192.0.2.1) by {receiver} with ESMTP; Mon, 2 Nov 2026 09:00:00 +0000")
    assert found == receiver


@given(st.text())
def test_any_received_line_is_read_without_an_error(text: str) -> None:
    sender, receiver = hop(text)
    for host in (sender, receiver):
        assert is_provider(host, PROVIDER_HOSTS) in {True, False}


@given(blocks)
def test_the_boundary_is_at_a_received_line(block: list[Header]) -> None:
    boundary = find_boundary(block, JunkPolicy())
    assert boundary.ends_at is None or block[boundary.ends_at][0] == "Received"
    assert boundary.recognised or boundary.ends_at is None


def test_a_name_outside_ascii_is_not_ours() -> None:
    """The Kelvin sign, in lower case, is a k."""
    assert judged([("X-TM-AS-User-Bloc\u212aed-Sender", "Yes")]) == Verdict(MailPath.CLEAN)
