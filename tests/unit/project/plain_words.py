"""The words and phrases that no text of ours uses, each with what to write instead. CONTRIBUTING.md says why."""

import re
from typing import Final

_TABLE: Final = (
    # inversions, nests and movements, which have to be read twice
    (r"isn't an? \w+ of ours", "isn't a known setting"),
    (r"\bof (ours|theirs)\b", "the worker's"),
    (r"\bof (his|her|its|their|the \w+'s) own\b(?= (word|account))", "its own …"),
    (
        r"(?<!here )\b(is|are|was) no (dead letter|member|mail|junk|finding|certificate|key|folder|handler|setting)\b",
        "isn't a …",
    ),
    (r"\bis no \w+ but\b", "isn't a …, it is …"),
    (r"against the journal", "compare with the journal"),
    (r"also miss chains|\bmisses (the folder's|the other|them)\b", "report as missing"),
    (r"\bWritten down\b|\b(is|are|was|were) written down\b", "recorded"),
    (r"\bOf (the message|what|these|a message|replicas)\b", "begin with the subject"),
    (r"\b(has|have) come\b|\bcome since\b", "arrived"),
    (r"\bcan't be had\b|\bto be had\b|\bcan be had\b", "isn't available"),
    (r"\b[Ss]o many (of|are|things|threads|bytes|different|at)\b", "this many, or the field's name"),
    (r"\bwho signs in\b(?! (once|to|with))", "the account that signs in"),
    (r", as (it|they|its|there|that|this|no|a person|load|many|nobody)\b", "because …"),
    (r"\bby its own word\b|\bBy its own word\b", "according to …"),
    (r"\bsave (a|an|the|one|that)\b", "except"),
    (r"\bnothing and nobody\b", "nobody"),
    (r"\bstill to come\b", "in the future"),
    (r"\bend(s|ed)? with \d", "exits with …, or: the exit code is …"),
    (r"\b(mail|work|worker) goes on\b(?! (to|with))", "isn't affected, continues"),
    (r"\bgoes on (trying|looking|to warn|for|without)\b", "keeps …, lasts for …, continues without …"),
    (r"\b(lies|lay) (in|among|at|below|there|here|where|beside)\b", "is in"),
    (r"\bhands? out\b", "returns, gives"),
    (r"\bstands? (in|beside|between|as|there|behind)\b", "is in, is next to, is between"),
    (r"\bspeaks? of\b", "is about"),
    # words that nobody uses at a screen
    (r"\banew\b", "again, new"),
    (
        r"\b(whence|thereby|thereof|thereupon|hereby|herein|forthwith|henceforth|lest|hither|thither)\b",
        "say it plainly",
    ),
    (r"\btill\b", "until"),
    (r"\bmend(s|ed|ing)?\b", "fix, correct"),
    (r"\bin hand\b", "being handled"),
    (r"\b[Ss]ee to (it|the|its|what|that)\b", "check"),
    (r"\b(in the )?midst\b", "during, before the end"),
    (r"\bbesides\b", "also, in addition to"),
    (r"\bbeforehand\b", "before it happens"),
    (r"\bby now\b", "the number itself"),
    (r"\b[Tt]old (again|each|once|when|of)\b|\btells? (no|of)\b", "repeated, reported, gives, warns about"),
    (r"\bgives? up on it\b", "stops trying"),
    (r"\bwell again\b", "working again"),
    (r"\bnot be (judged|made|done) anew\b", "again"),
    (r"\ball the same\b", "anyway"),
    (r"\bfor good and all\b", "for good"),
    # number
    (r"\w\(s\)", "use `counted`"),
    (r"\bThere (are|were) 1\b", "use `agreeing`"),
)
BANNED: Final = tuple((re.compile(pattern), instead) for pattern, instead in _TABLE)

NOUNS: Final = re.findall(
    r"\w+",
    "account address alert attachment attempt byte certificate chain channel connection copy day digit "
    "fault file finding folder handler header hour key kind letter limit line login mail message minute "
    "month mailbox number part password person poll replica retry row rule second sender setting sign "
    "thread token week word year ",
)
"""What texts count."""
_PLURALS: Final = "|".join(sorted({f"{noun[:-1]}ies" if noun in {"copy", "retry"} else f"{noun}e?s" for noun in NOUNS}))
UNCOUNTED: Final = re.compile(rf"^ (?:[a-z]+ )?(?:{_PLURALS})\b(?! \()")
"""What follows a value in an f-string, when a plural is written out and 1 would disagree."""
DISAGREES: Final = re.compile(
    rf"(?<![\d,.:–-])\b1 (?:[a-z]+ )?(?:{_PLURALS})\b"
    r"|\b[02-9] (?:failed )?(?:message|day|handler|call|attempt|login)\b(?! call)"
    r"|\b1 [a-z]+(?: [a-z]+)? (?:have|are|were|wait|do)\b|\bare 1\b|\b[2-9] [a-z]+s (?:has|is|was|waits|does)\b"
)
"""A finished text in which a number and its words disagree."""
