"""Opens a folder that may be gone. A refusal alone doesn't say so: the server may not open a folder just now."""

from enum import Enum

from worker.mailbox.errors import CommandRefused, FolderBusy
from worker.mailbox.folder_names import find, is_inbox
from worker.mailbox.session import FolderState, Session


class Unopened(Enum):
    """Why a folder wasn't opened."""

    GONE = "gone"
    """It isn't listed any more, or only because of the folders below it: its messages are gone from it."""
    NOT_NOW = "not now"
    """Nobody knows what is in it, so nothing that depends on that is decided now."""


def select_if_there(session: Session, folder: str) -> FolderState | None:
    """Select a folder; None: it is gone.

    Raises:
        CommandRefused, FolderBusy: it isn't opened now. Neither ends the connection.
    """
    try:
        return session.select(folder)
    except CommandRefused:
        listed = None if is_inbox(folder) else find(folder, session.folders())
        if is_inbox(folder) or (listed is not None and listed.holds_mail):
            raise
        return None


def try_select(session: Session, folder: str) -> FolderState | Unopened:
    """Select a folder, or say why it wasn't opened. Then no folder is selected."""
    try:
        return select_if_there(session, folder) or Unopened.GONE
    except (CommandRefused, FolderBusy):
        return Unopened.NOT_NOW
