"""A real SOCKS5 server on loopback that asks for a user name and a password. Debian: microsocks."""

from collections.abc import Sequence

from tests.rig.daemon import Daemon, program
from tests.rig.tls import ADDRESS

USER, PASSWORD = "svc-mailworker", "Quiet-Harbour-73"


class Microsocks(Daemon):
    """asks: whether it asks for `USER` and `PASSWORD`."""

    name = "microsocks"

    def __init__(self, *, asks: bool = True) -> None:
        self._asks = asks
        super().__init__()

    @property
    def url(self) -> str:
        return f"socks5h://{ADDRESS}:{self.port}"

    @property
    def everything_logged(self) -> str:
        """All that it has written: a line for each connection."""
        return self.log

    def _command(self) -> Sequence[str]:
        credentials = ("-u", USER, "-P", PASSWORD) if self._asks else ()
        return (program("microsocks", "microsocks"), "-i", ADDRESS, "-p", str(self.port), *credentials)
