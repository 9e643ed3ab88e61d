"""Opening a folder that may be gone: one that is refused is gone only if the server doesn't list it any more."""

from collections.abc import Sequence
from typing import Any

import pytest

from worker.mailbox.errors import CommandRefused, ConnectionLost, FolderBusy, FolderRefused, MailboxError
from worker.mailbox.folder_opening import Unopened, select_if_there, try_select
from worker.mailbox.folders import FolderInfo
from worker.mailbox.session import FolderState

STATE = FolderState(5, 9, 3)
COMPOSED, DECOMPOSED = "Café", "Cafe\u0301"


class Answers:
    """A session that answers SELECT and LIST with these."""

    def __init__(self, refusal: MailboxError | None, listed: Sequence[FolderInfo | MailboxError] = ()) -> None:
        self._refusal = refusal
        self._listed = listed
        self.asked: list[str] = []

    def select(self, folder: str) -> FolderState:
        self.asked.append(f"SELECT {folder}")
        if self._refusal is not None:
            raise self._refusal
        return STATE

    def folders(self) -> list[FolderInfo]:
        self.asked.append("LIST")
        for one in self._listed:
            if isinstance(one, MailboxError):
                raise one
        return [one for one in self._listed if isinstance(one, FolderInfo)]


def listed(name: str, *flags: str) -> FolderInfo:
    return FolderInfo(name, frozenset(flags))


def test_what_the_server_opens_is_not_looked_for() -> None:
    session: Any = Answers(None)
    assert select_if_there(session, "Failed") == STATE
    assert try_select(session, "Failed") == STATE
    assert session.asked == ["SELECT Failed"] * 2


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("Failed", [listed("INBOX"), listed("Failed")]),
        (COMPOSED, [listed(DECOMPOSED)]),
        ("INBOX", []),  # it exists, whether or not it is listed
        ("inbox", [listed("Failed")]),
    ],
)
def test_what_is_refused_and_still_listed_is_not_opened_now(name: str, there: list[FolderInfo]) -> None:
    refusal = FolderRefused(name)
    session: Any = Answers(refusal, there)
    assert try_select(session, name) is Unopened.NOT_NOW
    with pytest.raises(FolderRefused) as raised:
        select_if_there(session, name)
    assert raised.value is refusal


@pytest.mark.parametrize(
    "there",
    [
        [],
        [listed("INBOX"), listed("failed"), listed("Failed/2024")],
        [listed("Failed", "\\noselect")],  # deleted, with a folder below it that isn't: RFC 3501, 6.3.4
        [listed("Failed", "\\nonexistent", "\\haschildren")],
    ],
)
def test_what_is_refused_and_holds_no_mail_any_more_is_gone(there: list[FolderInfo]) -> None:
    session: Any = Answers(FolderRefused("Failed"), there)
    assert try_select(session, "Failed") is Unopened.GONE
    assert select_if_there(session, "Failed") is None


def test_what_is_busy_is_not_looked_for() -> None:
    session: Any = Answers(FolderBusy("Failed", "try again later"))
    assert try_select(session, "Failed") is Unopened.NOT_NOW
    with pytest.raises(FolderBusy):
        select_if_there(session, "Failed")
    assert "LIST" not in session.asked


def test_where_folders_are_not_listed_now_nothing_is_gone() -> None:
    session: Any = Answers(FolderRefused("Failed"), [CommandRefused("no")])
    assert try_select(session, "Failed") is Unopened.NOT_NOW
    with pytest.raises(CommandRefused):
        select_if_there(session, "Failed")


@pytest.mark.parametrize(
    ("refusal", "there"), [(ConnectionLost("lost"), []), (FolderRefused("Failed"), [ConnectionLost("lost")])]
)
def test_a_lost_connection_says_nothing_of_a_folder(refusal: MailboxError, there: list[Any]) -> None:
    session: Any = Answers(refusal, there)
    with pytest.raises(ConnectionLost):
        try_select(session, "Failed")
