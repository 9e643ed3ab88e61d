"""Mail that fails on purpose: its handlers fail, or it is over the size limit."""

from collections.abc import Iterator

from worker.demo import sample_parts as parts
from worker.demo.samples.letter import ACCOUNT, LAB, Letter, Sample, attach, content, write

OVERSIZE = 900_000
"""Size of the oversize attachment. base64 makes it a third larger, which is over the demo's limits.message."""


def plus(tag: str) -> str:
    """The account's address with a tag, which the demo's routes match."""
    user, _, domain = ACCOUNT.partition("@")
    return f"{user}+{tag}@{domain}"


def trouble() -> Iterator[Sample]:
    """All samples of this file."""
    group = "Handler fails twice, then works"
    for number in (1, 2):
        letter = Letter(f"flaky-{number}", f"Report for a busy system ({number})", LAB, to=plus("flaky"))
        yield Sample(letter.name, group, write(letter, "The system downstream needs a third call.\n"))
    for number in (1, 2):
        letter = Letter(f"broken-{number}", f"Report for a broken system ({number})", LAB, to=plus("broken"))
        yield Sample(letter.name, "Handler always fails", write(letter, "Nobody takes this.\n"), "failed")
    letter = Letter("refused", "Report in last year's format", LAB, to=plus("refused"))
    yield Sample(letter.name, "Handler refuses", write(letter, "The handler gives it up at once.\n"), "failed")
    letter = Letter("oversize", "Scans of the whole archive", LAB)
    body = attach(content("Too much.\n"), parts.noise(OVERSIZE, "oversize"), "application/octet-stream", "scans.bin")
    yield Sample(letter.name, "Over the size limit", write(letter, body), "failed")
