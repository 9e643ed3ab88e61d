"""A person with a browser, for sign-ins: opens the address that they are told, and goes where they are sent.

In this process, as `worker.login.redirect.Person`; or beside the command in its own process, by `signed_in`.
"""

import html
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import requests

ADDRESS = re.compile(r"https://\S+")


class Browser:
    """ca_file: the authority that the sign-in service's certificate is from.

    said: what the person was told. page: what the browser showed in the end; status: that page's.
    pasted: what the person answers, in order, a None being the address at which the browser ended; the browser doesn't
    go there then. Without it the browser goes there, and nothing is asked.
    before: called with that address before the browser goes there.
    """

    def __init__(
        self,
        ca_file: Path,
        *,
        pasted: Sequence[str | None] | None = None,
        before: Callable[[str], None] = lambda _address: None,
    ) -> None:
        self.said: list[str] = []
        self.page, self.status = "", 0
        self._ca_file = ca_file
        self._pasted = None if pasted is None else list(pasted)
        self._before = before
        self._ended = ""
        self._thread: threading.Thread | None = None

    @property
    def pastes(self) -> bool:
        """Whether the person pastes addresses, because the browser is elsewhere."""
        return self._pasted is not None

    def tell(self, text: str) -> None:
        """Read a text, and open the address in it, unless answers are to be pasted."""
        self.said.append(text)
        found = ADDRESS.search(text)
        if found is None:
            return
        self._ended = self.opened(found[0])
        if self._pasted is None:
            self._thread = threading.Thread(target=self._go_back, daemon=True)
            self._thread.start()

    def ask(self, prompt: str) -> str | None:
        """Paste the next answer; None once there is none."""
        if not self._pasted:
            return None
        given = self._pasted.pop(0)
        return self._ended if given is None else given

    def opened(self, address: str) -> str:
        """Open the sign-in service's page, sign in, and return the address that it sends the browser back to."""
        answer = requests.get(address, verify=str(self._ca_file), allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def close(self) -> None:
        """Wait until the browser shows the last page."""
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()

    def _go_back(self) -> None:
        self._before(self._ended)
        answer = requests.get(self._ended, timeout=10)
        self.page, self.status = answer.text, answer.status_code


def signed_in(command: Sequence[str], ca_file: Path, *, paste: bool = False) -> tuple[int, str, str, str]:
    """Run a command that has a person sign in, and do so. Returns its exit code, output, errors, and the last page."""
    said, page = "", ""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            said += line
            if found := ADDRESS.search(line):
                ended = Browser(ca_file).opened(found[0])
                if paste:
                    process.stdin.write(f"{ended}\n")
                    process.stdin.flush()
                else:
                    page = requests.get(ended, timeout=20).text
        err = process.stderr.read()
    return process.returncode, said, err, html.unescape(page)
