"""What is left to do in the mailbox for a message whose outcome is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.journal.records import Place, Record


@dataclass(frozen=True, slots=True)
class Settlement:
    """A message whose outcome is recorded, where it lies, and where it is to go."""

    id: int
    fingerprint: str
    place: Place
    target: str

    @classmethod
    def of(cls, record: Record) -> "Settlement | None":
        """What is left to do for a message; None: it stays where it is."""
        if record.settle_to is None or record.settle_to == record.place.folder:
            return None
        return cls(record.id, record.fingerprint, record.place, record.settle_to)

    @property
    def uid(self) -> int:
        """Where it lies in its folder. `grouped` leaves out those of which nobody knows."""
        if self.place.uid is None:
            raise ValueError
        return self.place.uid


def grouped(settlements: Sequence[Settlement]) -> list[tuple[str, str, list[Settlement]]]:
    """Those whose UID is known, by the folder that they lie in and their target."""
    groups: dict[tuple[str, str], list[Settlement]] = {}
    for item in settlements:
        if item.place.uid is not None:
            groups.setdefault((item.place.folder, item.target), []).append(item)
    return [(folder, target, group) for (folder, target), group in groups.items()]
