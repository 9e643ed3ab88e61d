"""Trials: which mail waits for a handler whose circuit holds it back, and which message is tried meanwhile.

While a circuit is in doubt, these are witnesses: messages of senders whose mail hasn't failed. While the circuit is
open, it is one message after each pause. In either case a message that has never failed at the handler comes first, of
a sender whose mail hasn't failed if there is one, and the newest and the oldest take turns. Otherwise a run of bad
messages would be tried one after the other, and none of the others.
"""

from collections.abc import Callable, Mapping, Sequence

from worker.handling.circuit import TRIAL_WAIT, Circuit
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.journal.tries import Tries
from worker.message.reasons import Reason


class Trials:
    """Asked by the pipeline's thread before messages are handed over. Messages that wait spend no try."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        clock: Callable[[], float],
        circuits: Mapping[str, Circuit],
        in_order: bool,
    ) -> None:
        """circuits: by handler name. in_order: a sender's first message is handed over before its others."""
        self._messages = messages
        self._tries = tries
        self._clock = clock
        self._circuits = circuits
        self._in_order = in_order
        self._newest: dict[str, bool] = {}
        self._awaited: dict[str, set[int]] = {}
        self._released: dict[str, int] = {}
        self._anything_released = False

    @property
    def are_on(self) -> bool:
        """Whether a handler's circuit holds messages back."""
        return any(circuit.wait is not None for circuit in self._circuits.values())

    @property
    def more(self) -> bool:
        """Whether there may be more to hand over at once: a message to try, or those that were released."""
        return self._anything_released or any(circuit.wait == 0 for circuit in self._circuits.values())

    def begin(self) -> None:
        """Begin under the lease: messages that wait for a handler that an earlier process paused may be tried."""
        for name in self._circuits:
            self._tries.postpone_all(Reason.PAUSED.stored(name), None)

    def release(self) -> None:
        """Messages that wait for handlers whose circuits are closed again may be tried."""
        for name, circuit in self._circuits.items():
            held = circuit.times_held
            if circuit.wait is None and held != self._released.get(name, 0):
                self._tries.postpone_all(Reason.PAUSED.stored(name), None)
                self._released[name] = held
                self._anything_released = True

    def of(self, due: Sequence[Record]) -> list[Record]:
        """The due messages but those that wait for a handler, and for each handler the message to be tried, if any."""
        self._anything_released = False
        waiting: dict[str, list[Record]] = {}
        for record in due:
            if (name := record.paused_handler) in self._circuits:
                waiting.setdefault(name, []).append(record)
        kept_back: set[int] = set()
        tried: dict[int, Record] = {}
        for name, circuit in self._circuits.items():
            wait, held = circuit.wait, waiting.get(name, [])
            if wait is None:
                continue
            kept_back.update(record.id for record in held)
            if wait == 0 and (trial := self._trial(name, circuit, held, due)) is not None:
                circuit.nominate(trial.key)
                tried[trial.id] = trial
            left = circuit.wait or TRIAL_WAIT
            if held or left > (wait or TRIAL_WAIT):  # it has just opened
                self._tries.postpone_all(Reason.PAUSED.stored(name), self._clock() + left)
        return [*(record for record in due if record.id not in kept_back), *tried.values()]

    def _trial(self, name: str, circuit: Circuit, held: Sequence[Record], due: Sequence[Record]) -> Record | None:
        """The message to try now. held: those that are due and wait for this handler."""
        newest = self._newest[name] = not self._newest.get(name, False)
        failed = {record.sender for record in self._messages.with_keys(sorted(circuit.failed_keys))}
        found = self._tries.next_trial(name, newest=newest, not_from=failed, in_order=self._in_order)
        if found is not None:
            return found
        if circuit.in_doubt:
            if not self._anything_new(name, due):
                circuit.no_witness()
            return None
        found = self._tries.next_trial(name, newest=newest, in_order=self._in_order)
        if found is None and held:
            return held[-1 if newest else 0]  # all have failed before, or are neither first nor last of their sender
        return found

    def _anything_new(self, name: str, due: Sequence[Record]) -> bool:
        """Whether messages are handed over for the first time, which may be for this handler: wait for these.

        One that was there before and is still untried waits for something else, such as its turn.
        """
        untried = {record.id for record in due if record.tries == 0 and not record.paused_handler}
        before = self._awaited.get(name, set())
        self._awaited[name] = untried
        return not untried <= before
