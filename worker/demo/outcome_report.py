"""Reports what became of the demo's mail, and compares it with what each sample expects."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.table import Table

from worker.demo.config import FAILED_FOLDER, HANDLED_FOLDER
from worker.demo.samples import INBOX, JUNK_FOLDER, Sample
from worker.logs.counted import counted

OUTCOMES = {HANDLED_FOLDER: "handled", JUNK_FOLDER: "junk", FAILED_FOLDER: "failed", INBOX: "left"}
SHOWN = 12
"""How many faults are printed: if nothing works, the first ones are enough."""
COLUMNS = ("handled", "junk", "failed", "left")


class Report:
    """The result of a demo.

    where: the folders that each message is in, by its digest. status: the output of `status --json`; empty if it
    failed. archived: how many complete messages the archive holds.
    """

    def __init__(
        self, samples: Sequence[Sample], where: Mapping[str, Sequence[str]], status: Mapping[str, Any], archived: int
    ) -> None:
        self._samples = samples
        self._where = {digest: list(folders) for digest, folders in where.items()}
        self._status = status
        self._archived = archived

    @cached_property
    def outcomes(self) -> Sequence[tuple[Sample, str]]:
        """Each sample and what became of it; `lost` if it is in none of the folders."""
        places = {digest: list(folders) for digest, folders in self._where.items()}
        found = []
        for sample in self._samples:
            folders = places.get(hashlib.sha256(sample.raw).hexdigest()) or ["nowhere"]
            found.append((sample, OUTCOMES.get(folders.pop(0), "lost")))
        return found

    @cached_property
    def faults(self) -> Sequence[str]:
        """Everything that isn't as expected, as texts."""
        return tuple(self._find_faults())

    @property
    def as_expected(self) -> bool:
        """Whether every sample is where it should be, the journal agrees, and the archive is complete."""
        return not self.faults

    def _find_faults(self) -> Iterator[str]:
        for sample, outcome in self.outcomes:
            if outcome != sample.expect:
                yield f"{sample.name}: expected {sample.expect}, found {outcome}"
        lying = sum(len(folders) for folders in self._where.values())
        if lying != len(self._samples):
            yield f"the mailbox holds {counted(lying, 'message')}, there were {len(self._samples)}"
        count = Counter(outcome for _, outcome in self.outcomes)
        journal = self._status.get("messages", {})
        for name, state in (("handled", "handled"), ("junk", "junk"), ("failed", "failed"), ("left", "pending")):
            if journal.get(state) != count[name]:
                yield f"the journal says {journal.get(state)} {state}, the mailbox holds {count[name]}"
        if self._archived != count["handled"]:
            yield f"the archive holds {counted(self._archived, 'message')}, but {count['handled']} were handled"

    def show(self, console: Console) -> None:
        """Print the table, and everything that isn't as expected."""
        console.print(self._table())
        for fault in self.faults[:SHOWN]:
            console.print(f"Not as expected: {fault}.", style="bold red", markup=False, highlight=False)
        if len(self.faults) > SHOWN:
            console.print(f"And {len(self.faults) - SHOWN} more.", style="bold red", highlight=False)
        if self.as_expected:
            console.print(f"All {counted(len(self._samples), 'message')} went where they should.", highlight=False)

    def _table(self) -> Table:
        table = Table(title="What became of the mail", show_footer=True)
        total = Counter(outcome for _, outcome in self.outcomes)
        table.add_column("Messages", footer="all")
        table.add_column("Path")
        for name in COLUMNS:
            table.add_column(name, justify="right", footer=str(total[name]))
        table.add_column("sum", justify="right", footer=str(sum(total[name] for name in COLUMNS)))
        for group in dict.fromkeys(sample.group for sample in self._samples):
            members = [(sample, outcome) for sample, outcome in self.outcomes if sample.group == group]
            count = Counter(outcome for _, outcome in members)
            path = "junk" if members[0][0].expect == "junk" else "clean"
            cells = [str(count[name]) if count[name] else "·" for name in COLUMNS]
            table.add_row(group, path, *cells, str(sum(count[name] for name in COLUMNS)))
        return table
