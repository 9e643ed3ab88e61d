"""The labelled set: header blocks with the path and the evidence that is right for each."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from worker.message.mime.headers import Headers

FILE = Path(__file__).with_name("labelled.jsonl")

Fact = tuple[str, str | None, str]
"""A source, a header, and the value read from it."""


@dataclass(frozen=True)
class Case:
    """One header block and what is right for it.

    block: the header block; `{RUBBISH}` in it stands for `rubbish`, a text and how often it is repeated.
    counts: the evidence that makes it junk, all of it. ignored: what would have, and rightly doesn't.
    """

    name: str
    block: str
    junk: bool
    counts: list[Fact] = field(default_factory=list)
    ignored: list[Fact] = field(default_factory=list)
    in_junk_folder: bool = False
    keywords: list[str] = field(default_factory=list)
    rubbish: tuple[str, int] = ("", 0)

    @property
    def headers(self) -> Headers:
        """The block as the worker reads it."""
        text, times = self.rubbish
        raw = self.block.replace("{RUBBISH}", text * times).replace("\n", "\r\n").encode()
        return Headers.from_bytes(raw)


def load() -> list[Case]:
    """The whole set."""
    case = TypeAdapter(Case)
    return [case.validate_json(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
