"""Mail with every kind of spam header, mail in the junk folder, and mail whose spam headers must not count."""

from collections.abc import Iterator

from worker.demo.samples.letter import JUNK_FOLDER, LAB, Letter, Pairs, Sample, write

OFFER = "orders@supplier.example.net"
REPORT = "X-Forefront-Antispam-Report"
DELIVERY = "X-Microsoft-Antispam-Mailbox-Delivery"
SCL = "X-MS-Exchange-Organization-SCL"
TREND = "X-TM-AS-Result"
CLEAN_REPORT = (
    "CIP:203.0.113.9;CTRY:GB;LANG:en;SCL:1;SRV:;IPV:NLI;SFV:NSPM;H:mail.example.org;PTR:;CAT:NONE;SFS:;DIR:INB;"
)


def junk() -> Iterator[Sample]:
    """All samples of this file."""
    yield from _in_the_folder()
    for name, after in EXCHANGE.items():
        yield _sample(name, "Junk by Exchange's headers", Letter(name, "A limited offer", OFFER, after=after))
    for name, above in TREND_MICRO.items():
        yield _sample(name, "Junk by Trend Micro's headers", Letter(name, "A limited offer", OFFER, above=above))
    for name, above in OTHERS.items():
        yield _sample(name, "Junk by SpamAssassin or Rspamd", Letter(name, "A limited offer", OFFER, above=above))
    for letter in _clean():
        yield Sample(letter.name, "Spam headers, yet clean", write(letter, "Nothing about this message is junk.\n"))


def _sample(name: str, group: str, letter: Letter) -> Sample:
    return Sample(name, group, write(letter, "Buy now, while the demo lasts.\n"), expect="junk")


def _in_the_folder() -> Iterator[Sample]:
    letters = [
        Letter("folder-no-header", "A limited offer", OFFER),
        Letter("folder-clean-headers", "Report TEST-0006", LAB, after=((REPORT, CLEAN_REPORT),)),
        Letter("folder-delivery", "A limited offer", OFFER, after=((DELIVERY, "ucf:0; jmr:1; ex:0; auth:0; dest:J;"),)),
    ]
    for letter in letters:
        yield Sample(
            letter.name, "Junk by its folder", write(letter, "It lies in the junk folder.\n"), "junk", JUNK_FOLDER
        )


def _report(**fields: str) -> Pairs:
    """The Forefront report header of a clean message, with some fields replaced."""
    items = dict(item.split(":", 1) for item in CLEAN_REPORT.rstrip(";").split(";")) | fields
    return ((REPORT, "".join(f"{name}:{value};" for name, value in items.items())),)


EXCHANGE: dict[str, Pairs] = {
    "exchange-sfv-spm": _report(SFV="SPM", SCL="5", CAT="SPM"),
    "exchange-sfv-blocked": _report(SFV="BLK", SCL="6"),
    "exchange-sfv-rule": _report(SFV="SKS", SCL="9"),
    "exchange-cat-phish": _report(CAT="HPHISH", SCL="8", SFV="SPM"),
    "exchange-cat-malware": _report(CAT="MALW"),
    "exchange-cat-impersonation": _report(CAT="UIMP"),
    "exchange-scl-6": ((SCL, "6"),),
    "exchange-scl-9": ((SCL, "9"),),
    "exchange-bulk": (("X-Microsoft-Antispam", "BCL:9;"),),
    "exchange-delivery": ((DELIVERY, "ucf:0; jmr:0; auth:0; dest:J; OFR:SpamFilterAuthJ;"),),
    "exchange-delivery-tight": ((DELIVERY, "ucf:0;jmr:0;ex:0;auth:0;dest:J;"),),
}

TREND_MICRO: dict[str, Pairs] = {
    "trend-yes": ((TREND, "Yes-5.339-5.0-31-1"),),
    "trend-yes-high": ((TREND, "Yes-21.700-5.0-31-10"),),
    "trend-tmase": (("X-TMASE-Result", "10-9.534000-4.000000"),),
    "trend-blocked-sender": (("X-TM-AS-User-Blocked-Sender", "Yes"),),
}

OTHERS: dict[str, Pairs] = {
    "spamassassin-flag": (("X-Spam-Flag", "YES"),),
    "spamassassin-status": (("X-Spam-Status", "Yes, score=7.9 required=5.0 tests=BAYES_99,HTML_MESSAGE"),),
    "rspamd-flag": (("X-Spam", "Yes"),),
    "rspamd-result": (("X-Spamd-Result", "default: True [15.10 / 15.00]; DEMO_SYMBOL(15.10)[]"),),
}


def _clean() -> Iterator[Letter]:
    """Spam headers that say 'clean', or that somebody other than the provider wrote."""
    yield Letter("clean-report", "Report TEST-0007", LAB, after=_report())
    yield Letter("clean-bypass", "Report TEST-0008", LAB, after=((SCL, "-1"),))
    yield Letter("clean-bulk", "Newsletter", after=(("X-Microsoft-Antispam", "BCL:1;"),))
    yield Letter("clean-delivery", "Report TEST-0009", LAB, after=((DELIVERY, "ucf:0; jmr:0; auth:1; dest:I;"),))
    yield Letter("clean-trend", "Report TEST-0010", LAB, above=((TREND, "No-7.110300-8.000000-10"),))
    yield Letter("clean-trend-number-first", "Report TEST-0011", LAB, above=((TREND, "No-10--3.487300-8.000000"),))
    yield Letter("clean-tmase", "Report TEST-0012", LAB, above=(("X-TMASE-Result", "10--5.534000-4.000000"),))
    yield Letter("clean-not-a-verdict", "Report TEST-0013", LAB, above=(("X-TM-AS-GCONF", "00"),))
    yield Letter("clean-untrusted", "Report TEST-0014", LAB, after=((f"{REPORT}-Untrusted", "SFV:SPM;SCL:9;CAT:SPM;"),))
    yield Letter("clean-foreign-trend", "Report TEST-0015", LAB, below=((TREND, "Yes-5.339-5.0-31-1"),))
    yield Letter("clean-forged", "Report TEST-0016", LAB, after=(("X-Spam-Flag", "YES"),))
