"""The catalogue of fields: everything that a line of the log or of the audit trail may carry, and in which form."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from worker.logs.system_words import FAULT_WORDS

KEY = re.compile(r"[a-z2-7]{26}(-[0-9]{1,6})?")
WORD = re.compile(r"[A-Za-z0-9_.:\[\]*+-]{1,120}")
# A word with a letter in it: neither an NHS number nor a date of birth.
LABEL = re.compile(r"(?=.*[A-Za-z])" + WORD.pattern)
# A folder as the server spells it: any script, no control character, nothing that UTF-8 can't encode.
NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
# Text for people: nothing that changes the direction of the text, or doesn't print.
_PRINTED = r"[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
# A person's own words.
SENTENCE = re.compile(_PRINTED + "{1,600}")
# Our own advice, with the settings' names for the account and those who help, and with commands to be typed.
ADVICE = re.compile(_PRINTED + "{1,2000}")

MOST_KEYS: Final = 5
"""So many keys a line of the log names."""
KEYS = re.compile(rf"{KEY.pattern}(, {KEY.pattern}){{0,{MOST_KEYS - 1}}}( and [0-9]{{1,9}} more)?")

NUMBER = "number"
TIME = "time"
FLAG = "yes or no"
VALUES = "numbers, flags and words by name"

FIELDS: Final[Mapping[str, tuple[re.Pattern[str] | str, str]]] = {
    # who and where
    "key": (KEY, "the message's key"),
    "keys": (KEYS, "the keys of the first five messages, and how many more there are"),
    "replica": (WORD, "the replica that speaks"),
    "run": (WORD, "this start of the process"),
    "holder": (WORD, "the replica that holds the lease"),
    "actor": (WORD, "the replica, or the operating-system user of a command"),
    "account": (NAME, "the account's address, and no other address"),
    "host": (WORD, "the server's name from the configuration"),
    "port": (NUMBER, "a port"),
    "version": (WORD, "a version"),
    "python": (WORD, "the version of Python"),
    # mail, without its content
    "folder": (NAME, "a folder of the mailbox"),
    "target": (NAME, "the folder that a message is moved to"),
    "path": (LABEL, "clean or junk"),
    "route": (WORD, "a route's name"),
    "handler": (WORD, "a handler's name"),
    "source": (LABEL, "the room that a piece of evidence comes from"),
    "state": (LABEL, "a state, as in `status`"),
    "outcome": (LABEL, "what a try, an attempt or a delivery came to"),
    "reason": (LABEL, "one of the worker's fixed words, or HANDLER:EXCEPTION-CLASS, or HANDLER:EXCEPTION-CLASS:ERRNO"),
    "errno": (FAULT_WORDS, "what the operating system says: `no space left on device`"),
    "cause": (LABEL, "why a token was most likely refused, or why an alert was not delivered"),
    "what": (LABEL, "the thing that it is about: one of the worker's fixed words"),
    "trouble": (LABEL, "the trouble that stopped the worker"),
    "error": (LABEL, "an exception's class; with its frames where there are any"),
    "advice": (ADVICE, "what a person does next"),
    "words": (SENTENCE, "a person's own reason for what they did"),
    "kind": (LABEL, "a kind, such as the kind of a credential"),
    "credential": (LABEL, "what was sent: a password or a token"),
    "command": (LABEL, "a command of the worker"),
    "criteria": (LABEL, "what a person looked for: the criteria's names, without what they were looking for"),
    "signal": (LABEL, "a signal's name"),
    "method": (LABEL, "how the worker signs in"),
    "setting": (WORD, "a setting's name, never its value"),
    "fingerprint": (WORD, "a fingerprint"),
    "uid": (NUMBER, "an IMAP UID"),
    "uidvalidity": (NUMBER, "an IMAP UIDVALIDITY"),
    "uidnext": (NUMBER, "an IMAP UIDNEXT"),
    # numbers
    "bytes": (NUMBER, "bytes"),
    "size": (NUMBER, "bytes"),
    "limit": (NUMBER, "the limit that was met"),
    "percent": (NUMBER, "per cent"),
    "count": (NUMBER, "how many"),
    "new": (NUMBER, "messages not seen before"),
    "due": (NUMBER, "messages due for a try"),
    "gone": (NUMBER, "messages that somebody took away"),
    "pending": (NUMBER, "messages not yet done"),
    "handled": (NUMBER, "messages handled"),
    "junk": (NUMBER, "messages on the junk path"),
    "failed": (NUMBER, "dead letters"),
    "redelivery": (NUMBER, "how often a person had the message handled again"),
    "released": (NUMBER, "messages that were released from junk"),
    "known": (NUMBER, "messages of known senders, in junk, that nobody has looked at"),
    "moved": (NUMBER, "messages moved"),
    "retried": (NUMBER, "messages to be tried again"),
    "alone": (NUMBER, "of these, how many are tried alone"),
    "losses": (NUMBER, "connections lost in a row"),
    "tries": (NUMBER, "tries at a message so far"),
    "deaths": (NUMBER, "how often the process died while it handled this message alone"),
    "failures": (NUMBER, "failed logins since the last success or reset"),
    "remaining": (NUMBER, "attempts that the worker may still use"),
    "threshold": (NUMBER, "attempts before the server locks the account"),
    "days": (NUMBER, "days"),
    "seconds": (NUMBER, "seconds"),
    "wait": (NUMBER, "seconds to wait"),
    "after_seconds": (NUMBER, "seconds to wait"),
    "every_seconds": (NUMBER, "seconds between"),
    "handlers": (NUMBER, "how many handlers"),
    "routes": (NUMBER, "how many routes"),
    "line": (NUMBER, "a line's number"),
    "exit": (NUMBER, "an exit code"),
    "next_at": (TIME, "the soonest next go"),
    "since": (TIME, "since when"),
    "expires_at": (TIME, "when it ends"),
    "counts": (FLAG, "whether the server may have counted the attempt against the account"),
    "idle": (FLAG, "whether the server can report new mail"),
    "estimate": (FLAG, "whether the worker added it up itself, because the server gives no quota"),
    "dry_run": (FLAG, "whether nothing is changed"),
    "clean_stop": (FLAG, "whether all started work is finished"),
    # alerts, the audit trail, libraries, the page
    "rule": (WORD, "an alert's rule"),
    "sender": (WORD, "the way that an alert goes out"),
    "chain": (WORD, "a chain of the audit trail"),
    "library": (WORD, "the library that speaks"),
    "template": (NAME, "a library's own wording, before anything was filled in"),
    "where": (WORD, "module and line"),
    "values": (VALUES, "what a handler's author logs: numbers, flags, and words that are in the handler's code"),
    "category": (WORD, "a warning's class"),
    "status": (NUMBER, "an HTTP status"),
    "url_path": (WORD, "which of the worker's pages"),
}

CONTEXT: Final = frozenset({"key", "replica", "run", "folder", "handler", "command", "actor"})
"""Fields that any event may carry, since they are bound around it."""


def first_keys(keys: Sequence[str]) -> str:
    """The first few keys as one field: `abc, def and 3 more`."""
    more = len(keys) - MOST_KEYS
    return ", ".join(keys[:MOST_KEYS]) + (f" and {more} more" if more > 0 else "")
