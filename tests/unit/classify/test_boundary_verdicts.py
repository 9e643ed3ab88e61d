"""The verdict on any headers at all, and the evidence that is kept of them."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.blocks import (
    EXCHANGE,
    FOREIGN,
    Header,
    blocks,
    counting,
    exchange_headers,
    foreign_headers,
    judged,
    names,
    plain_headers,
)
from worker.classify import classify
from worker.classify.kinds import Kind, kinds
from worker.message.verdict import MailPath, Verdict


@given(blocks, st.data())
def test_no_header_makes_junk_clean(block: list[Header], data: st.DataObject) -> None:
    """A header of any kind but Received, anywhere."""
    place = data.draw(st.integers(0, len(block)))
    added = data.draw(foreign_headers | exchange_headers | plain_headers.filter(lambda h: h[0].lower() != "received"))
    before, after = judged(block), judged([*block[:place], added, *block[place:]])
    assert counting(before) <= counting(after)
    assert not (before.path is MailPath.JUNK and after.path is MailPath.CLEAN)


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


def test_a_name_outside_ascii_is_not_ours() -> None:
    """The Kelvin sign, in lower case, is a k."""
    assert judged([("X-TM-AS-User-Bloc\u212aed-Sender", "Yes")]) == Verdict(MailPath.CLEAN)
