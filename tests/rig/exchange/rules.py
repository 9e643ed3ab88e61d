"""What an Exchange server says and does otherwise than Dovecot: one TOML file for each scenario, in this folder."""

import re
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

HERE = Path(__file__).parent
Shown = Literal["nothing", "empty", "bodiless", "conversion", "scan"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Late(_Table):
    """Messages that FETCH doesn't show at first, although SEARCH lists them: each UID n with n % every == rest.

    shows: `nothing`: no answer; `empty`: header and body are empty; `bodiless`: a header, and an empty body;
    `conversion`: Exchange's notice that it can't convert the message; `scan`: the message's header, and a notice in
    place of what is still being scanned. asks: how often; 0: always.
    """

    folder: str = "INBOX"
    every: int = Field(gt=0)
    rest: int = 0
    shows: Shown
    asks: int = Field(default=1, ge=0)


class Trouble(_Table):
    """Lines in place of the server's answer to a command that the pattern matches.

    skip: matches before the first trouble. every: then each so-manieth. times: how often; 0: without end. done: whether
    the server has carried the command out. end: whether the connection ends. `{tag}` stands for the command's tag.
    """

    command: str
    say: list[str]
    skip: int = 0
    every: int = Field(default=1, gt=0)
    times: int = 1
    done: bool = False
    end: bool = False

    def matches(self, command: str) -> bool:
        return re.search(self.command, command, re.IGNORECASE) is not None

    def is_due(self, matches: int) -> bool:
        """Whether it happens at this match; `matches` counts this one."""
        past = matches - self.skip - 1
        return past >= 0 and past % self.every == 0 and (not self.times or past // self.every < self.times)


class Folders(_Table):
    """named: Dovecot's names, and those that clients see. more: names that are listed besides. marked: whether LIST
    shows what a folder is for (`\\Junk`, `\\Sent`)."""

    named: dict[str, str] = Field(default_factory=dict)
    more: list[str] = Field(default_factory=list)
    marked: bool = False


class Rules(_Table):
    """One scenario.

    before, after: the capabilities before and after the login. login: whether the command LOGIN is refused. copyuid:
    templates of what comes in place of each COPYUID, one after the other; none: the right one. unlisted: how many
    listings miss a message that has just come. unsearched: SEARCH by texts or days misses each so-manieth UID; 0: none;
    1: all. greeting: the words after `* OK`.
    """

    about: str
    greeting: str = "The Microsoft Exchange IMAP4 service is ready. [TABPADQAUAAxADIAMwBDAEEAMAA0ADMANgAuAEcAQgBSAA==]"
    before: list[str]
    after: list[str]
    flags: list[str] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$MDNSent"]
    sizes: Literal["exact", "estimated"] = "estimated"
    order: Literal["kept", "any"] = "any"
    uidvalidity: int | None = 14
    copyuid: list[str] = Field(default_factory=list)
    unlisted: int = 0
    unsearched: int = Field(default=0, ge=0)
    folders: Folders = Folders()
    late: list[Late] = Field(default_factory=list)
    trouble: list[Trouble] = Field(default_factory=list)

    @classmethod
    def of(cls, scenario: str) -> Self:
        """Read the scenario's file."""
        return cls.model_validate(tomllib.loads((HERE / f"{scenario}.toml").read_text()))


def scenarios() -> list[str]:
    """The names of all scenarios."""
    return sorted(path.stem for path in HERE.glob("*.toml"))
