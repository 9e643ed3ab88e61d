"""What the journal says of a message, as values."""

import pytest

from worker.journal.records import Looked, Place


@pytest.mark.parametrize(("validity", "uid", "found"), [(14, 7, 7), (14, None, None), (15, 7, None), (15, None, None)])
def test_a_uid_holds_in_its_own_numbering_alone(validity: int, uid: int | None, found: int | None) -> None:
    state = Looked(validity, 9, "")
    assert Place("INBOX", 14, uid).uid_in(state) == found
    assert Place("INBOX", 14, uid).holds_in(state) == (found is not None)
