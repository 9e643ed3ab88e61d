"""The journal says which handlers aren't called, for as long as the process that noted it holds the lease."""

from pathlib import Path

from worker.handling.circuit import Circuit, CircuitRules
from worker.handling.handler import Handler
from worker.handling.late_handler import LateHandler
from worker.journal.facts import NotedHandler
from worker.journal.store import Journal
from worker.loop.handler_notes import HandlerNotes


class Unheard:
    def opened(self, pause: float) -> None:
        pass

    def closed(self) -> None:
        pass


class Builds:
    def build(self) -> Handler:
        return Handler("late", lambda _message: None)


def test_it_is_noted_who_is_not_called_and_why(tmp_path: Path) -> None:
    now = 1000.0
    journal = Journal(tmp_path, None, lambda: now)
    journal.open("a@nhs.net")
    circuits = {name: Circuit(CircuitRules(1, (60.0,)), lambda: now, Unheard()) for name in ("late", "failing", "well")}
    late = LateHandler("late", Builds(), ConnectionRefusedError(), headers_only=False)
    notes = HandlerNotes(journal.facts, circuits, {"late": late}, holder="one", clock=lambda: now)
    journal.facts.note_handlers("one", [NotedHandler("left", 1.0)])
    circuits["late"].hold(60)
    now += 30
    circuits["failing"].failed("a" * 26)
    circuits["failing"].no_witness()
    now += 30
    notes.write()
    assert journal.facts.noted_handlers("one") == [
        NotedHandler("late", 1000.0, "ConnectionRefusedError"),
        NotedHandler("failing", 1030.0),
    ]
    assert journal.facts.noted_handlers("two") == []
    assert journal.facts.noted_handlers(None) == []
    late.build()
    for circuit in circuits.values():
        circuit.succeeded()
    notes.write()
    assert journal.facts.noted_handlers("one") == []
    journal.close()
