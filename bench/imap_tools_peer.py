"""imap_tools reads a mailbox: a script for a Python that has imap_tools, which this project's own doesn't need.

    imap_tools_peer.py parse HOST PORT CA_FILE ADDRESS PASSWORD
    imap_tools_peer.py store HOST PORT CA_FILE ADDRESS PASSWORD FOLDER

`parse` decodes texts and attachments and throws them away. `store` also writes each message to a file of its own and
waits until it is on the disk. Prints the number of messages.
"""

import os
import ssl
import sys
from pathlib import Path

from imap_tools import MailBox  # type: ignore[import-not-found]  # of another Python

AT_ONCE = 25


def main() -> None:
    """Read every message in INBOX, in batches, without changing any."""
    what, host, port, ca_file, address, password, *folder = sys.argv[1:]
    store = Path(folder[0]) if what == "store" else None
    count = 0
    context = ssl.create_default_context(cafile=ca_file)
    with MailBox(host, int(port), ssl_context=context).login(address, password) as mailbox:
        for message in mailbox.fetch(mark_seen=False, bulk=AT_ONCE):
            len(message.text), len(message.html), [len(attachment.payload) for attachment in message.attachments]
            if store is not None:
                _store(store / f"{message.uid}.eml", message.obj.as_bytes())
            count += 1
    print(count)


def _store(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
