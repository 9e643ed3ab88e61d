"""What the numbers of `reconcile` mean, in words under its table."""

from collections.abc import Iterator
from typing import Any, Final

from worker.logs.counted import counted
from worker.logs.typed import typed
from worker.observe.humanise import has

WORDS: Final = {
    "seen": "every message the server ever showed: the sum of the next six",
    "handled": "every handler of its route has finished with it",
    "junk": "it is junk, and the handlers for junk have finished with it",
    "failed": "a dead letter: kept whole, for a person to look at",
    "gone": "somebody took it away before it was done",
    "pending": "it waits for its first try, or for the next one",
    "unaccounted": "it isn't done, and isn't where the journal says",
    "missing": "it was done, but isn't where the worker put it",
    "unexplained": "in the folder of handled mail, but not put there by this worker",
}
"""The rows of the table."""


def balance_lines(balance: Any) -> list[str]:
    """The lines under the table: what the words mean, then what was found, then what a person might do."""
    width = max(len(word) for word in WORDS) + 2
    lines = [*(f"  {f'{word}:':<{width}}{meaning}" for word, meaning in WORDS.items()), ""]
    lines += _unaccounted(balance) if balance.unaccounted else ["Every message is accounted for."]
    if balance.missing:
        lines += ["", *_missing(balance.missing)]
    if balance.unexplained:
        lines += ["", *_unexplained(balance.unexplained)]
    return lines


def _unaccounted(balance: Any) -> Iterator[str]:
    number = balance.unaccounted
    yield f"{counted(number, 'message')} {'is' if number == 1 else 'are'} unaccounted for, by key:"
    yield from (f"  {key}" for key in balance.unaccounted_keys)
    yield "Ask who moved or deleted mail. The next poll takes up a message that is in a watched folder."


def _missing(number: int) -> Iterator[str]:
    be, them = ("is", "it") if number == 1 else ("are", "them")
    yield (
        f"{counted(number, 'message')} {be} missing. The worker was done with {them}, and somebody has moved or "
        f"deleted {them} since. That isn't a finding, because people may tidy up what is done."
    )
    yield (
        "You need do nothing. If nobody should take mail out of these folders, find out who works in the mailbox. "
        "A message that was moved into a watched folder is recognised there and not handled again."
    )


def _unexplained(number: int) -> Iterator[str]:
    yield (
        f"{counted(number, 'message')} {has(number)} come to the folder of handled mail, and this worker didn't move "
        f"{'it' if number == 1 else 'them'} there. Another worker with another state folder may be using this "
        "mailbox. It would use login attempts of the same account."
    )
    yield "Find the other worker, and stop one of the two. If a person moved the mail there:"
    acknowledge = typed('reconcile --acknowledge --reason "…"')
    yield f"    {acknowledge}"
