"""Receives the end of a sign-in from a person, who pastes the address that the browser ended at.

For a worker whose machine has no browser: the browser is elsewhere, ends at an address where nothing listens, and the
person copies that address.
"""

from collections.abc import Mapping
from typing import Final

from worker.login.redirect import Awaited, Person, UnfitRedirect, unfinished
from worker.mailbox.errors import LoginFailed

TRIES: Final = 5


class PastedRedirect:
    """Asks the person. port: of the address that the browser is sent back to; 0 for an address without one."""

    def __init__(self, person: Person, *, port: int = 0) -> None:
        self._person = person
        self._port = port

    @property
    def redirect_uri(self) -> str:
        """The address that the browser is sent back to."""
        return f"http://localhost:{self._port}" if self._port else "http://localhost"

    def answer(self, address: str, state: str) -> Mapping[str, str]:
        """Tell the person the address, and ask for the one that the browser ends at.

        Raises:
            LoginFailed: the person gave up.
        """
        awaited = Awaited(self.redirect_uri, state)
        self._person.tell(
            f"To sign in, open this address in any browser:\n\n{address}\n\nAfter the sign-in the browser goes to "
            f"{self.redirect_uri}, where nothing answers. It shows an error: that is expected. Copy the whole "
            "address from its address bar, and paste it here within ten minutes."
        )
        for _ in range(TRIES):
            text = self._person.ask("The address: ")
            if text is None:
                break
            try:
                return awaited.from_address(text)
            except UnfitRedirect as unfit:
                self._person.tell(
                    f"That isn't the answer to this sign-in, because {unfit}. Copy the whole address from the "
                    "browser's address bar once more."
                )
        raise LoginFailed(unfinished())
