"""What must be true of every server when all mail is settled."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from tests.rig.imap_server import Account
from tests.rig.worker import Worker, balance


def digests(messages: Sequence[bytes]) -> list[str]:
    return sorted(hashlib.sha256(message).hexdigest() for message in messages)


def check_all_settled(account: Account, worker: Worker, served: list[bytes], *, at_most: int = 1) -> None:
    """Every message that the server served was handed over byte for byte, lies where it belongs, and is accounted for.

    at_most: how often each may have been handed over, which is more than once only if the worker was killed.
    """
    handed = worker.handed()
    assert sorted({call.sha256 for call in handed}) == digests(served)
    assert len({call.key for call in handed}) == len(served)
    assert max(Counter(call.key for call in handed).values()) <= at_most

    junk = {call.sha256 for call in handed if call.path == "junk"}
    lies = account.contents()
    assert lies["INBOX"] == []
    assert set(digests(lies[account.junk])) == junk
    assert sorted(lies[account.name("Processed")] + lies[account.junk]) == sorted(served)

    assert worker.reconcile() == balance(handled=len(served) - len(junk), junk=len(junk))
