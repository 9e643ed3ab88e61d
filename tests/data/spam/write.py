"""Writes the labelled set. Every label is set by hand below, from the grammars; nothing here asks the classifier.

Run `python -m tests.data.spam.write` after a change; a test compares the file with what this writes.
"""

import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields

from tests.data.spam import FILE, Case, Fact

# --- the ways that a message comes -----------------------------------------------------------------------------------

OUTSIDE = """\
Received: from relay.sender.example (192.0.2.30) by mail.sender.example (192.0.2.31) with ESMTPS id k7;
 Mon, 2 Nov 2026 09:00:00 +0000
Received: from [10.1.2.3] (unknown [10.1.2.3]) by relay.sender.example (Postfix) with ESMTPSA id 4ABC;
 Mon, 2 Nov 2026 08:59:58 +0000
"""
INGRESS = """\
Received: from mail.sender.example (192.0.2.31) by
 DB5EUR03FT012.mail.protection.outlook.com (10.152.20.9) with Microsoft SMTP
 Server (version=TLS1_2) id 15.20.1.1 via Frontend Transport; Mon, 2 Nov 2026 09:00:02 +0000
"""
INTERNAL = """\
Received: from CWLP265MB0001.GBRP265.PROD.OUTLOOK.COM (2603:10a6:400:1::1) by
 LO2P265MB0002.GBRP265.PROD.OUTLOOK.COM with HTTPS; Mon, 2 Nov 2026 09:00:05 +0000
Received: from AM0PR01CA0003.eurprd01.prod.exchangelabs.com (2603:10a6:208::4) by
 CWLP265MB0001.GBRP265.PROD.OUTLOOK.COM (2603:10a6:400:1::1) with Microsoft SMTP Server; Mon, 2 Nov 2026 09:00:04 +0000
Received: from DB5EUR03FT012.eop-EUR03.prod.protection.outlook.com (2603:10a6:208::5) by
 AM0PR01CA0003.outlook.office365.com (2603:10a6:208::4) with Microsoft SMTP Server; Mon, 2 Nov 2026 09:00:03 +0000
"""
OWN_RELAY = """\
Received: from mail.sender.example ([192.0.2.31] helo=mail.sender.example) by nhs-edge-01.ad1.nhs.net. with ESMTPS
 (TLS1.2:RSA) id 1abcDE-0001; Mon, 2 Nov 2026 09:00:02 +0000
"""
WITHIN = """\
Received: from LO2P265MB0009.GBRP265.PROD.OUTLOOK.COM ([fe80::1]) by
 LO2P265MB0009.GBRP265.PROD.OUTLOOK.COM ([fe80::1%5]) with mapi id 15.20.1; Mon, 2 Nov 2026 09:00:00 +0000
"""
ELSEWHERE = """\
Received: from mail.sender.example (192.0.2.31) by mx.hospital.example (Postfix) with ESMTPS id 4XYZ;
 Mon, 2 Nov 2026 09:00:02 +0000
"""
FORGED = """\
Received: from somewhere.example (198.51.100.9) by mail.nhs.net with SMTP id 1; Mon, 2 Nov 2026 08:00:00 +0000
"""
LETTER = """\
From: Laboratory <results@sender.example>
To: pathology.results@nhs.net
Subject: A report
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <1@sender.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
"""

# --- what headers say: the line, and what counts in it (nothing: it doesn't speak for junk) ---------------------------

Line = tuple[str, str, str, list[str]]
"""A name, the header, its value, the values of the evidence that counts in it."""

REPORT, LEVEL, BULK, DELIVERY = (
    "X-Forefront-Antispam-Report",
    "X-MS-Exchange-Organization-SCL",
    "X-Microsoft-Antispam",
    "X-Microsoft-Antispam-Mailbox-Delivery",
)


def report(verdict: str, category: str, level: str) -> str:
    return (
        f"CIP:192.0.2.31;CTRY:GB;LANG:en;SCL:{level};SRV:;IPV:NLI;SFV:{verdict};H:mail.sender.example;\n"
        f"\tPTR:mail.sender.example;CAT:{category};SFS:(13230040)(376014)(7093399015);DIR:INB;"
    )


EXCHANGE: list[Line] = [
    ("filter found spam", REPORT, report("SPM", "SPM", "5"), ["SFV:SPM", "CAT:SPM", "SCL:5"]),
    ("high confidence", REPORT, report("SPM", "HSPM", "9"), ["SFV:SPM", "CAT:HSPM", "SCL:9"]),
    ("phishing", REPORT, report("SPM", "PHSH", "8"), ["SFV:SPM", "CAT:PHSH", "SCL:8"]),
    ("marked by a rule", REPORT, report("SKS", "NONE", "6"), ["SFV:SKS", "SCL:6"]),
    ("blocked list", REPORT, report("SKB", "NONE", "1"), ["SFV:SKB"]),
    ("blocked by the recipient", REPORT, report("BLK", "NONE", "1"), ["SFV:BLK"]),
    ("category alone", REPORT, report("NSPM", "SPOOF", "1"), ["CAT:SPOOF"]),
    ("level alone", REPORT, report("NSPM", "NONE", "5"), ["SCL:5"]),
    ("safe-listed sender, spam level", REPORT, report("SFE", "NONE", "5"), ["SCL:5"]),
    (
        "old order",
        REPORT,
        "CIP:192.0.2.31;IPV:NLI;EFV:NLI;SFV:SPM;SFS:(1)(2);DIR:INB;SFP:;SCL:7;SRVR:X;",
        ["SFV:SPM", "SCL:7"],
    ),
    (
        "spaces and odd case",
        REPORT,
        "cip:192.0.2.31; scl: 6 ; sfv:\n spm; Cat:hPhSh ;",
        ["SCL:6", "SFV:SPM", "CAT:HPHSH"],
    ),
    ("doubled field", REPORT, "SFV:NSPM;SFV:SPM;SCL:1;SCL:9;", ["SFV:SPM", "SCL:9"]),
    ("not spam", REPORT, report("NSPM", "NONE", "1"), []),
    ("skipped, not spam", REPORT, report("SKN", "NONE", "-1"), []),
    ("allowed sender", REPORT, report("SKA", "NONE", "-1"), []),
    ("safe sender", REPORT, report("SFE", "NONE", "-1"), []),
    ("out of quarantine", REPORT, report("SKQ", "NONE", "0"), []),
    ("level 4", REPORT, report("NSPM", "NONE", "4"), []),
    ("level alone in its header", LEVEL, "5", ["SCL:5"]),
    ("highest level", LEVEL, "9", ["SCL:9"]),
    ("bypass", LEVEL, "-1", []),
    ("just below the level", LEVEL, "4", []),
    ("bulk", BULK, "BCL:7;", ["BCL:7"]),
    ("bulk, in full", BULK, "UriScan:;BCL:9;PCL:0;RULEID:(7020095);SRVR:AM0;", ["BCL:9"]),
    ("bulk, new form", BULK, "BCL:8;ARA:13230040|376014;", ["BCL:8"]),
    ("just below bulk", BULK, "BCL:6;ARA:13230040;", []),
    ("no bulk", BULK, "BCL:0;", []),
    ("delivered to junk", DELIVERY, "ucf:0;jmr:0;auth:0;dest:J;ENG:(910001);", ["dest:J"]),
    ("delivered to junk, spaces", DELIVERY, "ucf:0; jmr:0; auth:0; dest:J; OFR:SpamFilterAuthJ;", ["dest:J"]),
    ("delivered to the inbox", DELIVERY, "ucf:0;jmr:0;auth:0;dest:I;wl:1;", []),
    ("delivered by a rule", DELIVERY, "ucf:1; jmr:0; dest:C;", []),
]

TREND, TMASE, BLOCKED = "X-TM-AS-Result", "X-TMASE-Result", "X-TM-AS-User-Blocked-Sender"
STATUS, SPAMD = "X-Spam-Status", "X-Spamd-Result"
OTHERS: list[Line] = [
    ("Trend, spam", TREND, "Yes-5.339-5.0-31-1", ["Yes score=5.339 threshold=5"]),
    ("Trend, spam, number first", TREND, "Yes-10-9.487300-8.000000", ["Yes score=9.4873 threshold=8"]),
    ("Trend, odd case", TREND, " yEs-5.0-5.0-31-1 ", ["Yes score=5 threshold=5"]),
    ("Trend, spam, cut short", TREND, "Yes-", ["Yes"]),
    ("Trend, folded", TREND, "Yes-12.5-\n 5.0-31-1", ["Yes score=12.5 threshold=5"]),
    ("Trend, no spam", TREND, "No-7.110300-8.000000-10", []),
    ("Trend, no spam, negative", TREND, "No-10--3.487300-8.000000", []),
    ("Trend, no spam, high score", TREND, "No-10-9.487300-8.000000", []),
    ("Trend without a word, spam", TMASE, "10-5.534000-4.000000", ["score=5.534 threshold=4"]),
    ("Trend without a word, exactly", TMASE, "10-4.000000-4.000000", ["score=4 threshold=4"]),
    ("Trend without a word, negative", TMASE, "10--5.534000-4.000000", []),
    ("Trend without a word, just below", TMASE, "10-3.999999-4.000000", []),
    ("Trend, blocked sender", BLOCKED, "Yes", ["blocked-sender:Yes"]),
    ("Trend, sender not blocked", BLOCKED, "No", []),
    ("SpamAssassin flag", "X-Spam-Flag", "YES", ["Yes"]),
    ("SpamAssassin flag, odd case", "X-Spam-Flag", " yes\t", ["Yes"]),
    ("SpamAssassin flag, no", "X-Spam-Flag", "NO", []),
    (
        "SpamAssassin status",
        STATUS,
        "Yes, score=7.9 required=5.0 tests=BAYES_99,\n\tHTML_MESSAGE autolearn=no version=4",
        ["Yes score=7.9 required=5"],
    ),
    ("SpamAssassin status, exactly", STATUS, "Yes, score=5.0 required=5.0 tests=A", ["Yes score=5 required=5"]),
    ("SpamAssassin status, old", STATUS, "Yes, hits=12.1 required=5.0", ["Yes score=12.1 required=5"]),
    ("SpamAssassin status, folded", STATUS, "Yes,\n score=6 required=5", ["Yes score=6 required=5"]),
    ("SpamAssassin status, no", STATUS, "No, score=-2.1 required=5.0 tests=BAYES_00 autolearn=ham", []),
    ("SpamAssassin status, no, high", STATUS, "No, score=4.9 required=5.0 tests=WHAT_YES", []),
    ("Rspamd flag", "X-Spam", "Yes", ["Yes"]),
    ("Rspamd flag, no", "X-Spam", "No", []),
    (
        "Rspamd result",
        SPAMD,
        "default: True [15.10 / 15.00];\n\tBAYES_SPAM(5.10)[100.00%]; R_DKIM_NA(0.00)[]",
        ["True score=15.1 required=15"],
    ),
    ("Rspamd result, exactly", SPAMD, "default: True [15.00 / 15.00]; A(1.00)[]", ["True score=15 required=15"]),
    ("Rspamd result, no", SPAMD, "default: False [-1.40 / 15.00]; MIME_GOOD(-0.10)[text/plain]", []),
]
SOURCES = {
    TREND: "trend",
    TMASE: "trend",
    BLOCKED: "trend",
    "X-Spam-Flag": "spamassassin",
    STATUS: "spamassassin",
    "X-Spam": "rspamd",
    SPAMD: "rspamd",
}


def facts(source: str, header: str, values: list[str]) -> list[Fact]:
    return [(source, header, value) for value in values]


def exchange_cases() -> Iterator[Case]:
    """Exchange's own headers: believed by name, wherever they stand, once the topmost hop is the provider's."""
    for name, header, value, values in EXCHANGE:
        line, right = f"{header}: {value}\n", facts("exchange", header, values)
        yield Case(f"{name}: after the letter", INGRESS + OUTSIDE + LETTER + line, bool(values), right)
        yield Case(f"{name}: many hops", INTERNAL + INGRESS + OUTSIDE + LETTER + line, bool(values), right)
        yield Case(f"{name}: on top", line + OWN_RELAY + OUTSIDE + LETTER, bool(values), right)
        yield Case(f"{name}: no provider", ELSEWHERE + OUTSIDE + LETTER + line, bool(values), right)
        foreign = f"{header}-Untrusted"
        block = INGRESS + OUTSIDE + LETTER + f"{foreign}: {value}\n"
        yield Case(f"{name}: untrusted", block, False, ignored=facts("exchange", foreign, values))


def other_cases() -> Iterator[Case]:
    """Everybody else's: believed above the ingress hop alone."""
    for name, header, value, values in OTHERS:
        line, right = f"{header}: {value}\n", facts(SOURCES[header], header, values)
        yield Case(f"{name}: on top", line + INGRESS + OUTSIDE + LETTER, bool(values), right)
        yield Case(f"{name}: between hops", INTERNAL + line + INGRESS + OUTSIDE + LETTER, bool(values), right)
        yield Case(f"{name}: never outside", INTERNAL + WITHIN + LETTER + line, bool(values), right)
        yield Case(f"{name}: no provider", ELSEWHERE + OUTSIDE + LETTER + line, bool(values), right)
        yield Case(f"{name}: below", OWN_RELAY + line + OUTSIDE + LETTER, False, ignored=right)
        yield Case(f"{name}: at the foot", INTERNAL + INGRESS + OUTSIDE + LETTER + line, False, ignored=right)
        yield Case(f"{name}: below, forged hop", INGRESS + line + FORGED + OUTSIDE + LETTER, False, ignored=right)


def category_cases() -> Iterator[Case]:
    spam = "SPM HSPM OSPM BULK PHSH HPHSH HPHISH SPOOF INTOS DIMP UIMP GIMP BIMP MALW AMP FTBP SAP"
    for word in spam.split():
        right = facts("exchange", REPORT, [f"CAT:{word}"])
        yield Case(
            f"category {word}", INGRESS + OUTSIDE + LETTER + f"{REPORT}: SFV:NSPM;SCL:1;CAT:{word};\n", True, right
        )


def level_cases() -> Iterator[Case]:
    for level in range(-1, 10):
        right = facts("exchange", LEVEL, [f"SCL:{level}"]) if level >= 5 else []
        yield Case(f"level {level}", INGRESS + LETTER + f"{LEVEL}: {level}\n", bool(right), right)
    for level in range(10):
        right = facts("exchange", BULK, [f"BCL:{level}"]) if level >= 7 else []
        yield Case(f"bulk level {level}", INGRESS + LETTER + f"{BULK}: BCL:{level};\n", bool(right), right)


NONSENSE: list[tuple[str, str]] = [
    (REPORT, ""),
    (REPORT, ";;;:::;"),
    (REPORT, "SFV"),
    (REPORT, "SFV:"),
    (REPORT, "SFV=SPM"),
    (REPORT, "SFV:SPMX;"),
    (REPORT, "XSFV:SPM;"),
    (REPORT, "H:SFV:SPM;"),
    (REPORT, "SFV:SP M;"),
    (REPORT, "SFV:NSPM,SPM;"),
    (REPORT, "SCL:55;"),
    (REPORT, "SCL:5.0;"),
    (REPORT, "SCL:+5;"),
    (REPORT, "SCL:-5;"),
    (REPORT, "SCL:0x9;"),
    (REPORT, "SCL:９;"),
    (REPORT, "SCL:٩;"),
    (REPORT, "SFV:ſPM;"),
    (REPORT, "ſFV:SPM;"),
    (REPORT, "SFV:ＳＰＭ;"),
    (REPORT, "SFV:BL\u212a;"),
    (REPORT, "CAT:NICE;"),
    (REPORT, "CAT:SPM HSPM;"),
    (REPORT, "=?utf-8?q?SFV=3ASPM=3B?="),
    (LEVEL, "five"),
    (LEVEL, "5 6"),
    (LEVEL, "10"),
    (LEVEL, "९"),
    (LEVEL, "nan"),
    (LEVEL, "inf"),
    (LEVEL, "--5"),
    (LEVEL, ""),
    (BULK, "BCL:77;"),
    (BULK, "BCL:-7;"),
    (BULK, "PCL:9;"),
    (BULK, "BCL7;"),
    (BULK, "BCL:７;"),
    (DELIVERY, "dest:JI;"),
    (DELIVERY, "destination:J;"),
    (DELIVERY, "nodest:J;"),
    (DELIVERY, "dest:"),
    (TREND, "Yesterday-5.339-5.0-31-1"),
    (TREND, "Yes5.339-5.0"),
    (TREND, "Ye s-5-5-1-1"),
    (TREND, "YEſ-5.3-5.0-31-1"),
    (TREND, "-Yes"),
    (TREND, ""),
    (TREND, "=?utf-8?q?Yes-5-5-1-1?="),
    (TMASE, "10-inf-4.0"),
    (TMASE, "10-5.5"),
    (TMASE, "10-5.5-4.0-1-1"),
    (TMASE, "5.5-4.0"),
    (TMASE, "10-٥-٤"),
    (TMASE, "10---5.5-4.0"),
    (TMASE, "10-5.5.5-4.0"),
    (TMASE, "9999999-5.5-4.0"),
    (BLOCKED, "Yes, indeed"),
    (BLOCKED, "true"),
    ("X-Spam-Flag", "YES!"),
    ("X-Spam-Flag", "NO YES"),
    ("X-Spam-Flag", "ＹＥＳ"),
    ("X-Spam-Flag", "1"),
    ("X-Spam-Flag", ""),
    (STATUS, "Yesterday, score=9 required=5"),
    (STATUS, "score=9 required=5"),
    (STATUS, "No, not Yes, score=9"),
    ("X-Spam", "Yes and no"),
    ("X-Spam", "Y"),
    (SPAMD, "True [15.10 / 15.00]"),
    (SPAMD, "default: Truely [16 / 15]"),
    (SPAMD, "default: True-ish"),
    (SPAMD, "default: [16 / 15]"),
    (SPAMD, ": True [16 / 15]"),
    # headers that are no verdicts, or only look like one of ours
    ("X-TM-AS-GCONF", "Yes-9.0-1.0-1-1"),
    ("X-TMASE-XGENCLOUD", "10-9.0-1.0"),
    ("X-TM-Deliver-Signature", "Yes"),
    ("X-Spam-Level", "*" * 50),
    ("X-Spam-Score", "99"),
    ("X-Spam-Flags", "YES"),
    ("X-Spam-Flag-", "YES"),
    ("X_Spam_Flag", "YES"),
    ("Spam-Flag", "YES"),
    (f"{REPORT}s", "SFV:SPM;SCL:9;"),
    (f"{REPORT}-Untrusted-Too", "SFV:SPM;"),
    ("X-Forefront", "SFV:SPM;"),
    ("X-TM-AS-User-Bloc\u212aed-Sender", "Yes"),
    ("Subject", "X-Spam-Flag: YES"),
    ("Comments", "SFV:SPM; X-Spam: Yes"),
    ("Subject", "=?utf-8?q?=0D=0AX-Spam-Flag:_YES?="),
    ("ARC-Authentication-Results", "i=1; compauth=fail reason=001"),
]


def nonsense_cases() -> Iterator[Case]:
    """None of these speaks for junk, at the most believed place; and none takes away what the folder says."""
    for header, value in NONSENSE:
        block = f"{header}: {value}\n" + INGRESS + OUTSIDE + LETTER
        name = f"nonsense in {header}: {value.encode('unicode_escape').decode()}"
        yield Case(name, block, False)
    for header, value in NONSENSE[::4]:
        block = f"{header}: {value}\n" + INGRESS + OUTSIDE + LETTER
        name = f"in the junk folder, nonsense in {header}: {value.encode('unicode_escape').decode()}"
        yield Case(name, block, True, [("placement", None, "junk-folder")], in_junk_folder=True)


FLAG = "X-Spam-Flag: YES\n"
FLAGGED: list[Fact] = [("spamassassin", "X-Spam-Flag", "Yes")]
SPAM_REPORT = f"{REPORT}: SFV:SPM;\n"
REPORTED: list[Fact] = [("exchange", REPORT, "SFV:SPM")]
CLEAN_REPORT = f"{REPORT}: {report('SKA', 'NONE', '-1')}\n"
TREND_SPAM = f"{TREND}: Yes-5.339-5.0-31-1\n"
TREND_FOUND: list[Fact] = [("trend", TREND, "Yes score=5.339 threshold=5")]
FOLDER: list[Fact] = [("placement", None, "junk-folder")]
AUTH = "Authentication-Results"


def by(host: str, sender: str = "mail.sender.example") -> str:
    return (
        f"Received: from {sender} (192.0.2.31) by {host} (10.0.0.2) with ESMTP id 1; Mon, 2 Nov 2026 09:00:00 +0000\n"
    )


def boundary_cases() -> Iterator[Case]:
    """The walk: what is a provider's host, what is the ingress hop, and what a forger can and can't move."""
    for host in (
        "nhs-edge-01.ad1.nhs.net",
        "A.NHS.NET",
        "x.nhs.net.",
        "AM7EUR.mail.protection.outlook.com",
        "LO2P265MB0002.GBRP265.PROD.OUTLOOK.COM",
        "AM0PR01CA0003.outlook.office365.com",
        "am0pr01ca0003.eurprd01.prod.exchangelabs.com",
    ):
        yield Case(f"{host} is the provider's", by(host) + FLAG + LETTER, False, ignored=FLAGGED)
    for host in (
        "nhs.net.sender.example",
        "evilnhs.net",
        "x.evilnhs.net",
        "mail.nhs.uk",
        "protection.outlook.com.example",
        "xprod.outlook.com",
        "[192.0.2.1]",
        "(mail.nhs.net)",
        "mail.nhs.net@sender.example",
        "ｘ.ｎｈｓ.ｎｅｔ",
    ):
        yield Case(f"{host} is not the provider's", by(host) + FLAG + LETTER, True, FLAGGED)
        inner = by("mail.nhs.net", host) + FLAG + LETTER
        yield Case(f"a message enters from {host}", inner, False, ignored=FLAGGED)
    for host in (
        "mail-lo4gbr01on2112.outbound.protection.outlook.com",
        "EUR05-DB8-obe.OUTBOUND.Protection.Outlook.com.",
    ):
        entered = by("AM7EUR03FT012.mail.protection.outlook.com", host)
        name = f"another organisation's mail, by way of {host}"
        for line, right in ((FLAG, FLAGGED), (TREND_SPAM, TREND_FOUND)):
            yield Case(f"{name}: {right[0][0]} below", INTERNAL + entered + line + LETTER, False, ignored=right)
            yield Case(f"{name}: {right[0][0]} above", INTERNAL + line + entered + LETTER, True, right)
        yield Case(f"{name}: Exchange below", INTERNAL + entered + LETTER + SPAM_REPORT, True, REPORTED)
        yield Case(f"{host} is the provider's where it receives", by(host) + FLAG + LETTER, False, ignored=FLAGGED)
    host = "outbound.mail.protection.outlook.com"
    inner = by("AM7EUR03FT012.mail.protection.outlook.com", host) + FLAG + INGRESS + LETTER
    yield Case(f"{host} is no way out", inner, True, FLAGGED)
    inside = by("a.nhs.net", "b.nhs.net")
    yield Case("an internal hop is not the boundary", inside + FLAG + INGRESS + LETTER, True, FLAGGED)
    yield Case("three internal hops, the flag below", INTERNAL + INGRESS + FLAG + LETTER, False, ignored=FLAGGED)
    yield Case("a broken chain ends belief", inside + by("elsewhere.example") + FLAG + LETTER, False, ignored=FLAGGED)
    block = inside + by("elsewhere.example") + FLAG + FORGED + LETTER
    yield Case("nothing is believed after a broken chain", block, False, ignored=FLAGGED)
    yield Case("the flag above a broken chain", inside + FLAG + by("elsewhere.example") + LETTER, True, FLAGGED)
    yield Case(
        "a forged hop can't switch belief off",
        ELSEWHERE + SPAM_REPORT + FORGED + FLAG + LETTER,
        True,
        REPORTED + FLAGGED,
    )
    yield Case("no Received line at all", LETTER + FLAG + SPAM_REPORT, True, REPORTED + FLAGGED)
    yield Case("a forger can junk his own mail", by("a.nhs.net", "forged.nhs.net") + FLAG + LETTER, True, FLAGGED)
    yield Case(
        "Microsoft's names, through no Exchange filter", OWN_RELAY + OUTSIDE + SPAM_REPORT + LETTER, True, REPORTED
    )
    comment = "Received: from x.example (by mail.nhs.net (by y.nhs.net)) by mx.hospital.example; x\n"
    yield Case("a host in a comment is no hop", comment + FLAG + LETTER, True, FLAGGED)
    escaped = (
        "Received: from x.example (a \\) by mail.nhs.net) by mx.hospital.example; Mon, 2 Nov 2026 09:00:00 +0000\n"
    )
    yield Case("an escaped bracket ends no comment", escaped + FLAG + LETTER, True, FLAGGED)
    yield Case("a line that begins with neither", "Received: x by mail.nhs.net; x\n" + FLAG + LETTER, True, FLAGGED)
    yield Case("from alone", "Received: from x.example\n" + FLAG + LETTER, True, FLAGGED)
    yield Case("by alone goes on", "Received: by a.nhs.net with mapi; x\n" + FLAG + INGRESS + LETTER, True, FLAGGED)
    yield Case(
        "by alone, then the ingress", "Received: by a.nhs.net; x\n" + INGRESS + FLAG + LETTER, False, ignored=FLAGGED
    )
    close = "Received: from mail.sender.example by a.nhs.net;Mon, 2 Nov 2026 09:00:00 +0000\n"
    yield Case("no space after the host", close + FLAG + LETTER, False, ignored=FLAGGED)
    yield Case("no space after the host, the flag above", FLAG + close + LETTER, True, FLAGGED)
    close = "Received: from mail.sender.example by evil.example;a.nhs.net; Mon, 2 Nov 2026 09:00:00 +0000\n"
    yield Case("a host after the semicolon is none", close + FLAG + LETTER, True, FLAGGED)
    yield Case(
        "a greeting with a semicolon is no provider's",
        by("b.nhs.net", "a.nhs.net;x") + FLAG + LETTER,
        False,
        ignored=FLAGGED,
    )
    yield Case("an empty line", "Received:\n" + FLAG + LETTER, True, FLAGGED)
    yield Case(
        "odd case", "RECEIVED: FROM MAIL.SENDER.EXAMPLE BY A.NHS.NET; X\n" + FLAG + LETTER, False, ignored=FLAGGED
    )
    yield Case("X-Received is none", "X-Received: by mx.example\n" + INGRESS + FLAG + LETTER, False, ignored=FLAGGED)
    for greeting in ("((", "(", ")(", "by", "from", "x;", "x\\", "(\\", "((by(mail.nhs.net", "(by)mail.nhs.net", '"'):
        line = by("a.nhs.net", greeting)
        yield Case(f"the greeting {greeting} can't hide the ingress hop", line + FLAG + LETTER, False, ignored=FLAGGED)
        yield Case(f"the greeting {greeting} can't lift the boundary", inside + FLAG + line + LETTER, True, FLAGGED)
        line = by("mx.hospital.example", greeting)
        yield Case(f"the greeting {greeting} can't name another host", line + FLAG + LETTER, True, FLAGGED)


def forgery_cases() -> Iterator[Case]:
    """No header makes junk clean."""
    pure = CLEAN_REPORT + f"{LEVEL}: -1\n{BULK}: BCL:0;\n{DELIVERY}: dest:I; wl:1;\n{TREND}: No-1.0-8.0-10\n"
    pure += f"X-Spam-Flag: NO\n{STATUS}: No, score=-9 required=5\nX-Spam: No\n{SPAMD}: default: False [-9 / 15]\n"
    yield Case("every clean word, in the junk folder", pure + INGRESS + LETTER, True, FOLDER, in_junk_folder=True)
    yield Case("every clean word, in INBOX", pure + INGRESS + LETTER, False)
    yield Case("every clean word above a spam report", pure + INGRESS + LETTER + SPAM_REPORT, True, REPORTED)
    yield Case("every clean word below a spam report", SPAM_REPORT + INGRESS + LETTER + pure, True, REPORTED)
    yield Case("a clean report first", CLEAN_REPORT + SPAM_REPORT + INGRESS + LETTER, True, REPORTED)
    yield Case("a clean report last", SPAM_REPORT + CLEAN_REPORT + INGRESS + LETTER, True, REPORTED)
    yield Case("every clean word against Trend", pure + TREND_SPAM + INGRESS + LETTER, True, TREND_FOUND)
    yield Case("the same header three times", FLAG * 3 + INGRESS + LETTER, True, FLAGGED)
    yield Case("a flag above and one below", FLAG + INGRESS + FLAG + LETTER, True, FLAGGED, FLAGGED)
    yield Case(
        "all of it",
        TREND_SPAM + FLAG + INGRESS + LETTER + SPAM_REPORT,
        True,
        FOLDER + REPORTED + TREND_FOUND + FLAGGED,
        in_junk_folder=True,
    )
    block = INGRESS + LETTER + f"{LEVEL}: 5\n{DELIVERY}: ucf:0; dest:I; wl:1;\n"
    yield Case("a safe-listed sender's spam", block, True, [("exchange", LEVEL, "SCL:5")])
    yield Case("in the junk folder, nothing else", INGRESS + LETTER, True, FOLDER, in_junk_folder=True)
    yield Case("in the junk folder, no header at all", "", True, FOLDER, in_junk_folder=True)
    yield Case("no header at all", "", False)
    yield Case("a plain letter", INTERNAL + INGRESS + OUTSIDE + LETTER, False)
    yield Case("a plain letter from within", INTERNAL + WITHIN + LETTER, False)


def keyword_cases() -> Iterator[Case]:
    junk: list[Fact] = [("keyword", None, "$Junk")]
    phishing: list[Fact] = [("keyword", None, "$Phishing")]
    for words, right in (
        (["$Junk"], junk),
        (["$JUNK", "\\Seen"], junk),
        (["$junk", "$NotJunk"], junk),
        (["$Phishing"], phishing),
        (["$Junk", "$Phishing"], junk + phishing),
        (["$NotJunk"], []),
        (["NonJunk"], []),
        (["Junked"], []),
        (["$Jun\u212a"], []),
        ([""], []),
    ):
        name = "keywords " + " ".join(words).encode("unicode_escape").decode()
        yield Case(name, INGRESS + LETTER, bool(right), right, keywords=words)


def authentication_cases() -> Iterator[Case]:
    """A failed sender check is recorded and makes nothing junk."""
    full = (
        "spf=fail (sender IP is 192.0.2.31)\n smtp.mailfrom=x.example; dmarc=fail action=none\n header.from=x.example;"
    )
    for name, value, read in (
        ("failed", f"{full}compauth=fail reason=001", ["compauth=fail reason=001"]),
        ("failed, no reason", "compauth=fail", ["compauth=fail"]),
        ("passed", f"{full}compauth=pass reason=100", []),
        ("not it", "xcompauth=fail", []),
        ("not it either", "compauth=failed", []),
    ):
        right = facts("authentication", AUTH, read)
        yield Case(f"sender check {name}, above", f"{AUTH}: {value}\n" + INGRESS + LETTER, False, ignored=right)
        yield Case(
            f"sender check {name}, lower case",
            f"authentication-results: {value}\n" + INGRESS + LETTER,
            False,
            ignored=right,
        )
        yield Case(f"sender check {name}, below", INGRESS + f"{AUTH}: {value}\n" + LETTER, False, ignored=right)


def size_cases() -> Iterator[Case]:
    """A megabyte of rubbish changes nothing that is said within reach."""
    million = 1_000_000
    verdicts: list[tuple[str, str, list[Fact]]] = [
        (REPORT, "SFV:SPM;", REPORTED),
        (STATUS, "Yes, ", [("spamassassin", STATUS, "Yes")]),
        (TREND, "Yes-", [("trend", TREND, "Yes")]),
    ]
    for header, value, right in verdicts:
        for rubbish in ("x", ";", " ", "SFV:", "-9", "((", "\n "):
            block = f"{header}: {value}" + "{RUBBISH}\n" + INGRESS + LETTER
            name = f"a megabyte of {rubbish.encode('unicode_escape').decode()!r} after a verdict in {header}"
            yield Case(name, block, True, right, rubbish=(rubbish, million // len(rubbish)))
            block = f"{header}: " + "{RUBBISH}" + f"{value}\n" + INGRESS + LETTER
            name = f"a megabyte of {rubbish.encode('unicode_escape').decode()!r} before a verdict in {header}"
            if not rubbish.isspace():  # a parser takes leading white space away, and then the verdict is read
                yield Case(name, block, False, rubbish=(rubbish, million // len(rubbish)))
    yield Case("ten thousand flags", "{RUBBISH}" + INGRESS + LETTER, True, FLAGGED, rubbish=(FLAG, 10_000))
    yield Case(
        "ten thousand flags below", INGRESS + "{RUBBISH}" + LETTER, False, ignored=FLAGGED, rubbish=(FLAG, 10_000)
    )
    yield Case(
        "ten thousand forged hops",
        INGRESS + "{RUBBISH}" + FLAG + LETTER,
        False,
        ignored=FLAGGED,
        rubbish=("Received: from somewhere.example by mail.nhs.net with SMTP id 1; x\n", 10_000),
    )
    yield Case(
        "ten thousand clean words",
        "{RUBBISH}" + SPAM_REPORT + INGRESS + LETTER,
        True,
        REPORTED,
        rubbish=("X-Spam: No\n", 10_000),
    )


def shape_cases() -> Iterator[Case]:
    """The same verdicts in other clothes: odd case, no space after the colon, tabs, folds."""
    for header, value, right in (
        (REPORT, "SFV:SPM;", REPORTED),
        ("X-Spam-Flag", "YES", FLAGGED),
        (TREND, "Yes-5.339-5.0-31-1", TREND_FOUND),
    ):
        for name, line in (
            ("lower case", f"{header.lower()}: {value}"),
            ("upper case", f"{header.upper()}: {value}"),
            ("no space", f"{header}:{value}"),
            ("tabs", f"{header}:\t\t{value}\t"),
            ("folded at once", f"{header}:\n {value}"),
            ("folded with a tab", f"{header}:\n\t{value}\n\t"),
            ("all lower case", f"{header}: {value}".lower()),
        ):
            yield Case(f"{header}, {name}", f"{line}\n" + INGRESS + LETTER, True, right)


def cases() -> list[Case]:
    """Every case."""
    groups = (
        exchange_cases,
        other_cases,
        category_cases,
        level_cases,
        nonsense_cases,
        boundary_cases,
        forgery_cases,
        keyword_cases,
        authentication_cases,
        size_cases,
        shape_cases,
    )
    return [case for group in groups for case in group()]


def rows() -> str:
    """The set as JSON lines; what has its default is left out."""
    return "".join(json.dumps(_row(case), ensure_ascii=False) + "\n" for case in cases())


def _row(case: Case) -> dict[str, object]:
    row = asdict(case)
    for field in fields(case):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if row[field.name] == default:
            del row[field.name]
    return row


if __name__ == "__main__":
    FILE.write_text(rows(), encoding="utf-8")
