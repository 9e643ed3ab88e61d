"""Generated header blocks: what a sender may write, and what the provider writes above it."""

from hypothesis import strategies as st

from worker.classify import classify
from worker.message.verdict import Evidence, Verdict

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
