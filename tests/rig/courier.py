"""A real Courier IMAP: unprivileged, TLS on loopback, folders below INBOX.

`scripts/bootstrap servers` brings it.
"""

import base64
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.rig.daemon import give_away
from tests.rig.imap_server import RootedServer
from tests.rig.tls import ADDRESS

# What Debian's own scripts do, but in the foreground. The files in /etc/courier are Debian's, with some lines added.
_START = """
set -a
/usr/lib/courier/courier-authlib/authdaemond &
. /etc/courier/imapd
. /etc/courier/imapd-ssl
IMAP_TLS=1
exec /usr/sbin/couriertcpd -address="$SSLADDRESS" -maxprocs="$MAXDAEMONS" -maxperip="$MAXPERIP" $TCPDOPTS \
    "$SSLPORT" "$COURIERTLS" -server -tcpd /usr/lib/courier/courier/imaplogin /usr/bin/imapd "$MAILDIRPATH"
"""
_SETTINGS = """
SSLADDRESS={address}
SSLPORT={port}
TLS_CERTFILE=/srv/server.pem
TLS_PRIVATE_KEYFILE=/srv/server.key
TLS_CACHEFILE=
TLS_DHPARAMS=
TLS_TRUSTCERTS=
"""
_ACCOUNTS = """
umask 077
cat >/etc/courier/userdb
makeuserdb
for account; do
    if [ ! -d "/srv/mail/$account" ]; then
        mkdir "/srv/mail/$account"
        maildirmake.courier "/srv/mail/$account/Maildir"
    fi
done
"""


class Courier(RootedServer):
    """One server. It has no MOVE, and doesn't say UIDNEXT when a folder is selected."""

    name = "courier"
    root_name = "courier"
    prefix = "INBOX."
    without = ("MOVE",)
    binds: ClassVar = {"etc": "/etc/courier", "run": "/run"}
    login = r"(?P<ok>LOGIN), user=USER,|LOGIN FAILED,(?: method=\w+,)? user=USER,"

    def deliver(self, address: str, folder: str, messages: Sequence[bytes]) -> None:
        """Put messages into the maildir, as a mail transfer agent does: an APPEND of each would take seconds."""
        box = self.root / "mail" / address / "Maildir" / folder.removeprefix("INBOX")
        for number, message in enumerate(messages, start=len(list(box.glob("*/*,S=*")))):
            part = box / "tmp" / f"{1_000_000_000 + number}.M0P1.rig,S={len(message)}"
            part.write_bytes(message.replace(b"\r\n", b"\n"))
            give_away(part)
            part.rename(box / "new" / part.name)

    def _write_accounts(self, passwords: Mapping[str, str]) -> None:
        lines = []
        for address, password in passwords.items():
            hashed = base64.b64encode(hashlib.sha256(password.encode()).digest()).decode()
            lines.append(f"{address}\tuid=65534|gid=65534|home=/srv/mail/{address}|imappw={{SHA256}}{hashed}\n")
        self.inside.run("sh", "-euc", _ACCOUNTS, "accounts", *passwords, given="".join(lines))

    def _prepare(self) -> None:
        self._write_certificate()
        shutil.copytree(self.inside.path / "etc" / "courier", self.root / "etc")
        with (self.root / "etc" / "imapd-ssl").open("a") as file:
            file.write(_SETTINGS.format(address=ADDRESS, port=self.port))
        (self.root / "etc" / "authdaemonrc").write_text('authmodulelist="authuserdb"\ndaemons=2\n')
        (self.root / "run" / "courier" / "authdaemon").mkdir(parents=True)
        (self.root / "mail").mkdir()

    def _command(self) -> Sequence[str]:
        return self.inside.command("sh", "-ec", _START)
