"""Precision and recall of the classifier on the labelled set, by source of evidence.

Run `python -m bench.classify_report`. Exits with 1 unless everything is exactly right.
"""

import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.data.spam import Case, load
from worker.classify import classify
from worker.classify.policy import SOURCES
from worker.message.verdict import MailPath, Verdict

Finding = tuple[str, str | None, str, bool]
"""A source, a header, the value read from it, and whether it makes junk or is ignored."""


@dataclass
class Score:
    """How many findings were right, wrong and missed."""

    found: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, expected: set[Finding], seen: set[Finding]) -> None:
        self.found += len(expected & seen)
        self.wrong += len(seen - expected)
        self.missed += len(expected - seen)

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.wrong) if self.found + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


def score(cases: list[Case]) -> dict[str, Score]:
    """Score the path, and the evidence of each source, both counting and ignored."""
    scores = {name: Score() for name in ("path", *SOURCES)}
    for case in cases:
        verdict = classify(case.headers, in_junk_folder=case.in_junk_folder, keywords=frozenset(case.keywords))
        scores["path"].add(_path(junk=case.junk), _path(junk=verdict.path is MailPath.JUNK))
        for source in SOURCES:
            scores[source].add(_labelled(case, source), _read(verdict, source))
    return scores


def _path(*, junk: bool) -> set[Finding]:
    return {("path", None, "junk", True)} if junk else set()


def _labelled(case: Case, source: str) -> set[Finding]:
    counts = {(*fact, True) for fact in case.counts if fact[0] == source}
    return counts | {(*fact, False) for fact in case.ignored if fact[0] == source}


def _read(verdict: Verdict, source: str) -> set[Finding]:
    heard = [p for p in verdict.evidence if p.source == source]
    heard = [p for p in heard if p.counts or p.reason.startswith(("ignored: ", "recorded only: "))]
    return {(p.source, p.header, p.value, p.counts) for p in heard}


def main() -> int:
    """Print the table."""
    cases = load()
    scores = score(cases)
    junk = sum(case.junk for case in cases)
    table = Table("evidence of", "found", "wrong", "missed", "precision", "recall")
    table.title = f"{len(cases)} labelled header blocks: {junk} junk, {len(cases) - junk} clean"
    for name, s in scores.items():
        table.add_row(name, f"{s.found}", f"{s.wrong}", f"{s.missed}", f"{s.precision:.1%}", f"{s.recall:.1%}")
    Console().print(table)
    return int(any(s.wrong or s.missed for s in scores.values()))


if __name__ == "__main__":
    sys.exit(main())
