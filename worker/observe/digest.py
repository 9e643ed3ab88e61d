"""The digest of junk: how much there is, since when, why, and what is likely there by mistake.

Like an alert, it has no room for content: it takes only numbers, times, our own keys and words, and the account's own
address.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worker.logs.counted import counted
from worker.logs.fields import KEY, WORD
from worker.logs.typed import as_typed

MOST_KEYS: Final = 20
AGES: Final = ("under a day", "under a week", "under a month", "older")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What lies in junk at one moment.

    new: received since the last digest. released: released since then. by_source, by_age: the number of messages by
    source of evidence (a message may have several) and by age. known: the keys of messages from known senders that
    nobody has looked at, newest first, at most `MOST_KEYS`; known_count: how many there are in all.

    Raises (on creation):
        TypeError: a field holds something else.
    """

    account: str
    at: datetime
    junk: int
    new: int
    released: int
    by_source: tuple[tuple[str, int], ...]
    by_age: tuple[tuple[str, int], ...]
    known: tuple[str, ...]
    known_count: int

    def __post_init__(self) -> None:
        numbers = [self.junk, self.new, self.released, self.known_count, *(n for _, n in self.by_source + self.by_age)]
        sound = (
            all(type(number) is int for number in numbers)
            and all(KEY.fullmatch(key) for key in self.known)
            and len(self.known) <= MOST_KEYS
            and all(WORD.fullmatch(source) for source, _ in self.by_source)
            and all(age in AGES for age, _ in self.by_age)
            and type(self.at) is datetime
            and "@" in self.account
        )
        if not sound:
            raise TypeError("a digest is numbers, keys, fixed words, a time and the account's address")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.junk and not self.released

    @property
    def title(self) -> str:
        """One line."""
        if self.known_count:
            return f"Junk: {counted(self.known_count, 'message')} likely there by mistake"
        return f"Junk: {counted(self.junk, 'message')}"

    @property
    def text(self) -> str:
        """The numbers, in sentences."""
        said = [
            f"{self._known_sentence()}{counted(self.junk, 'message')} in junk, {self.new} new since the last digest."
        ]
        if self.junk:
            said.append(f"By evidence: {_listed(self.by_source)}. By age: {_listed(self.by_age)}.")
        said.append(f"Released since the last digest: {self.released}.")
        return " ".join(said)

    @property
    def do(self) -> str:
        """What to do next; empty when there is nothing to look at."""
        if self.known:
            more = "" if self.known_count == len(self.known) else f", and {self.known_count - len(self.known)} more"
            return as_typed(
                f"Look at these first, with `nhsmail-worker junk show KEY`: {', '.join(self.known)}{more}. "
                "Release what isn't junk with `nhsmail-worker junk release KEY --reason TEXT`. A sender's "
                "address can be forged."
            )
        return as_typed("Look through `nhsmail-worker junk list`.") if self.junk else ""

    def _known_sentence(self) -> str:
        if not self.known_count:
            return ""
        are = "comes from a known sender" if self.known_count == 1 else "come from known senders"
        return f"{counted(self.known_count, 'message')} that nobody has looked at {are}. "

    def as_json(self) -> dict[str, object]:
        """The digest as a webhook of the kind `json` receives it."""
        return {
            "rule": "junk-digest",
            "state": "report",
            "account": self.account,
            "at": self.at.isoformat(),
            "number": self.junk,
            "new": self.new,
            "released": self.released,
            "by_source": dict(self.by_source),
            "by_age": dict(self.by_age),
            "known": list(self.known),
            "known_count": self.known_count,
            "title": self.title,
            "text": self.text,
            "do": self.do,
        }


def _listed(counted: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counted) or "none"
