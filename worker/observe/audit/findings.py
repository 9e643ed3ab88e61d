"""What `verify` can find, under the names that the command prints and the documentation explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class What(StrEnum):
    """The kinds of findings."""

    ALTERED = "altered"
    MISSING = "missing"
    MISPLACED = "misplaced"
    UNREADABLE = "unreadable"
    TORN = "torn"
    CUT = "cut"
    FORGED = "forged"
    SET_BACK = "set-back"
    COPIED = "copied"
    UNWITNESSED = "unwitnessed"
    KEYLESS = "keyless"


MEANINGS: Final[Mapping[What, str]] = {
    What.ALTERED: "the line, or the one before it, isn't what was written",
    What.MISSING: "lines before this one are missing",
    What.MISPLACED: "this line doesn't belong here: it is out of order, or repeated",
    What.UNREADABLE: "this isn't a line of the trail",
    What.TORN: "half a line at the end: the process was stopped suddenly, or somebody cut it",
    What.CUT: "the end is missing: the journal or the witness knows of later lines",
    What.FORGED: "the head that the journal keeps wasn't made with the trail's key",
    What.SET_BACK: "the journal is older than its witness, or a different one, so it can vouch for fewer lines",
    What.COPIED: (
        "the folder was restored or copied: lines written after the copy aren't here, and nothing shows that they "
        "are missing"
    ),
    What.UNWITNESSED: "the witness was missing or damaged: somebody may have cut lines at the end unnoticed",
    What.KEYLESS: "the key is gone: nothing can be verified without it",
}

CAUSES: Final[Mapping[What, str]] = {
    What.ALTERED: "a line edited, or put in from another chain",
    What.MISSING: "lines deleted in the middle, or a rotated file removed",
    What.MISPLACED: "lines in another order, or repeated",
    What.UNREADABLE: "something else inserted, or a line damaged",
    What.TORN: "half a line at the end, until the next line is written; then the trail has `audit.repaired`",
    What.CUT: "the end cut off, an old file put back, a chain removed",
    What.FORGED: "a line's `mac` copied into the journal, or anything else put there as the head",
    What.SET_BACK: "an old head, an old journal or none put in the journal's place",
    What.COPIED: "the whole folder rolled back to a copy of itself, or an old witness put back",
    What.UNWITNESSED: "`audit.witness` removed, edited or replaced",
    What.KEYLESS: "`audit.key` removed",
}


DOUBTED: Final = (What.FORGED, What.SET_BACK, What.COPIED, What.UNWITNESSED)
"""What the worker itself finds when it writes a line, and says in the trail (`audit.doubted`)."""


ROLLBACKS: Final = (
    ("files of the trail", "`cut`"),
    ("the journal, or the trail's head in it", "`set-back`"),
    ("trail and journal together", "`cut` and `set-back`, because the witness knows of more"),
    ("trail and witness together, from copies", "`copied` and `cut`, because the journal knows of more"),
    (
        "trail, witness and journal together, from copies",
        "`copied`, until the worker writes its next line; then the trail keeps `audit.doubted`",
    ),
    (
        "all of it by a snapshot of the disk, the volume or the virtual machine",
        "nothing: every byte is as it was. Only copies that were sent elsewhere have the later lines.",
    ),
)
"""What is put back to what it was before, and how that shows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with the trail. line: in that file, from 1; 0: the file as a whole."""

    chain: str
    file: str
    line: int
    what: What

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file or "no file"
        return f"{self.chain}: {place}: {self.what}: {MEANINGS[self.what]}"


@dataclass(frozen=True, slots=True)
class Note:
    """What the worker itself found when it added this line, and wrote into the trail (`audit.doubted`)."""

    chain: str
    file: str
    line: int
    what: What

    def __str__(self) -> str:
        return f"{self.chain}: {self.file}, line {self.line}: noted by the worker: {self.what}: {MEANINGS[self.what]}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. unanchored: good lines at the ends of chains that the journal doesn't vouch for yet.

    elsewhere: chains that the journal knows of, and that lie in the state folders of other installations.
    notes: what the worker noted in the trail about a folder or a journal that was restored. They aren't findings.
    copied: the folder is a copy, and was known to be one.
    """

    chains: int
    records: int
    unanchored: int
    findings: tuple[Finding, ...]
    elsewhere: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    copied: bool = False

    @property
    def ok(self) -> bool:
        """Whether every line is as it was written, and none is missing."""
        return not self.findings

    @property
    def only_torn(self) -> bool:
        """Whether all that is wrong is half a line at an end, as a sudden stop leaves it."""
        return {finding.what for finding in self.findings} == {What.TORN}
