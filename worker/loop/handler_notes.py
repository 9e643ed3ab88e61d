"""Notes in the journal which handlers aren't called, for `status`, which sees only the journal."""

from collections.abc import Callable, Mapping

from worker.handling.circuit import Circuit
from worker.handling.late_handler import LateHandler, not_built
from worker.journal.facts import Facts, NotedHandler


class HandlerNotes:
    """Writes the journal's note of the handlers whose mail waits. For one thread."""

    def __init__(
        self,
        facts: Facts,
        circuits: Mapping[str, Circuit],
        late: Mapping[str, LateHandler],
        *,
        holder: str,
        clock: Callable[[], float],
    ) -> None:
        """circuits, late: by handler. holder: the name under which this process holds the lease."""
        self._facts = facts
        self._circuits = circuits
        self._late = late
        self._holder = holder
        self._clock = clock
        self._noted: dict[str, str | None] | None = None

    def write(self) -> None:
        """Note them, if they have changed since the last note. May raise `JournalUnavailable`."""
        found = [
            NotedHandler(name, self._clock() - seconds, not_built(self._late.get(name)))
            for name, circuit in self._circuits.items()
            if (seconds := circuit.open_for) is not None
        ]
        state = {one.name: one.error for one in found}
        if state != self._noted:
            self._facts.note_handlers(self._holder, found)
            self._noted = state
