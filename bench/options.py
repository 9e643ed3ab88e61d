"""The options of `python -m bench`. Each part of the bench is given all of them."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import mail


@dataclass(frozen=True)
class Options:
    """What to measure, and how long. Each field is an option of the same name."""

    rounds: int = 5
    messages: int = mail.COUNT
    only: tuple[str, ...] = ()
    json: Path | None = None

    def wants(self, part: str) -> bool:
        """Whether to measure this part."""
        return not self.only or part in self.only


def parse(arguments: Sequence[str], parts: Collection[str], description: str | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=description)
    given = Options()
    parser.add_argument("--rounds", type=int, default=given.rounds, help="rounds of each comparison (default: 5)")
    parser.add_argument(
        "--messages", type=int, default=given.messages, help="messages in the mailbox of the drains (default: 2,000)"
    )
    parser.add_argument(
        "--only", action="append", default=[], choices=list(parts), help="this part alone; may be given again"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there, too")
    found = vars(parser.parse_args(arguments))
    return Options(**found | {"only": tuple(found["only"])})
