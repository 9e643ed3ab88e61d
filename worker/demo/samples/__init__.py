"""The demo's mail: written for this project, with invented senders and no personal data.

Each sample says what is expected to become of it.
"""

from collections.abc import Sequence

from worker.demo.samples.automatic import automatic
from worker.demo.samples.everyday import everyday
from worker.demo.samples.junk import junk
from worker.demo.samples.letter import ACCOUNT, INBOX, JUNK_FOLDER, STARTED, Sample
from worker.demo.samples.odd import odd
from worker.demo.samples.provider import provider
from worker.demo.samples.trouble import trouble

__all__ = ["ACCOUNT", "INBOX", "JUNK_FOLDER", "STARTED", "Sample", "all_samples"]


def all_samples() -> Sequence[Sample]:
    """Every sample, with the same bytes at every call."""
    return (*everyday(), *automatic(), *odd(), *provider(), *junk(), *trouble())
