"""Messages by their keys as people type them: in any case, and only as much of a key as names one message."""

import re
from collections.abc import Sequence
from typing import Final

from worker.commands.exits import ExitCode, Failure
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.logs.counted import counted

SHORTEST: Final = 4
"""Characters of a key that a person must type at least: with fewer, a slip of the finger would name another message."""
NAMED: Final = 5
"""How many keys are named to a person who has typed too little of one."""

_TYPED = re.compile(r"(?P<beginning>[a-z2-7]*)(?P<number>-[0-9]+)?")


class UnknownKey(Failure):
    """At least one text names no message."""


def records_of(messages: Messages, given: Sequence[str]) -> list[Record]:
    """The messages that a person names, each once, in the order given.

    given: whole keys, or beginnings of keys that belong to one message each. A whole key goes before a beginning. The
    number of a look-alike may follow the beginning: `abcd-2`.

    Raises:
        UnknownKey: a text names no message.
        Failure: a text names several messages, or is too short. Both speak of every such text.
    """
    typed = {text: text.strip().rstrip("*").lower() for text in given}  # lists mark known senders with `*`
    whole = {record.key: record for record in messages.with_keys(list(typed.values()))}
    named: dict[str, str] = {}
    unknown, short, several = [], [], []
    for text, key in typed.items():
        beginning, number = _parts(key)
        if key in whole:
            named[text] = key
        elif beginning is not None and len(beginning) < SHORTEST:
            short.append(f"'{text}'")
        else:
            keys, count = ([], 0) if beginning is None else messages.keys_like(beginning, number, most=NAMED)
            if count == 1:
                named[text] = keys[0]
            elif count:
                more = f" and {count - len(keys)} more" if count > len(keys) else ""
                several.append(
                    f"{counted(count, 'message')} have a key that begins with {text}: {', '.join(keys)}{more}."
                )
            else:
                unknown.append(text)
    if unknown or short or several:
        raise _not_named(unknown, short, several)
    found = whole | {record.key: record for record in messages.with_keys(list(named.values()))}
    return [found[key] for key in dict.fromkeys(named.values())]


def _parts(key: str) -> tuple[str | None, str]:
    """The beginning of a key, and the number of a look-alike with its hyphen. None: no key looks like that."""
    typed = _TYPED.fullmatch(key)
    return (None, "") if typed is None else (typed["beginning"], typed["number"] or "")


def _not_named(unknown: Sequence[str], short: Sequence[str], several: Sequence[str]) -> Failure:
    said = list(several)
    if unknown:
        said.append(f"No message has the key {', '.join(unknown)}.")
    if short:
        said.append(f"Too short for a key: {', '.join(short)}. Type at least {SHORTEST} characters.")
    said.append("Nothing was done.")
    if several:
        said.append("Type more of the key.")
    if unknown:
        said.append(
            "`nhsmail-worker find` shows the key of any message. `nhsmail-worker junk list` and "
            "`nhsmail-worker failed list` show keys, too."
        )
    return (UnknownKey if unknown else Failure)(ExitCode.USAGE, " ".join(said))
