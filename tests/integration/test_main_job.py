"""The whole way of a message against a real Dovecot: handed over once, settled, accounted for."""

from collections import Counter
from collections.abc import Callable

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.worker import Worker, balance

MakeWorker = Callable[..., Worker]

JUNK_LEDGER = {"junk": {"handlers": ["ledger"]}}


def test_five_hundred_messages_each_go_their_way_once(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, letters(50))
    dovecot.append_many("INBOX", [spam(n) if n % 9 == 0 else letter(n) for n in range(51, 501)])
    worker = make_worker(settings=JUNK_LEDGER)

    assert worker.once() == 0

    handed = worker.handed()
    assert Counter(call.path for call in handed) == {"clean": 400, "junk": 100}
    assert sorted(call.number for call in handed) == list(range(1, 501))
    assert len({call.key for call in handed}) == 500
    assert dovecot.stored("INBOX") == []
    assert (len(dovecot.stored("Processed")), len(dovecot.stored(JUNK))) == (400, 100)
    first = worker.reconcile()
    assert first == balance(handled=400, junk=100)
    assert worker.reconcile() == first

    assert worker.once() == 0
    assert len(worker.handed()) == 500
