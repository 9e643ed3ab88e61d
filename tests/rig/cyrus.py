"""A real Cyrus IMAP: unprivileged, TLS on loopback, in either of its namespaces.

`scripts/bootstrap servers` brings it.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from tests.rig.imap_server import RootedServer
from tests.rig.syslog import Syslog
from tests.rig.tls import ADDRESS, Authority

Namespace = Literal["alternative", "inbox"]

_CONFIGURATION = """
configdirectory: /srv/config
proc_path: /srv/proc
mboxname_lockpath: /srv/lock
defaultpartition: default
partition-default: /srv/mail
idlesocket: /srv/idle
cyrus_user: nobody
cyrus_group: nogroup
umask: 077
syslog_prefix: cyrus
tls_server_cert: /srv/server.pem
tls_server_key: /srv/server.key
allowplaintext: no
failedloginpause: 0
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /srv/accounts
sasl_mech_list: PLAIN
autocreate_quota: 0
skiplist_unsafe: yes
virtdomains: userid
"""
_NAMESPACES = {
    "alternative": "altnamespace: yes\nunixhierarchysep: yes\nautocreate_inbox_folders: Junk\nxlist-junk: Junk\n",
    "inbox": "altnamespace: no\nunixhierarchysep: no\n",
}
_SERVICES = """
START {{
    recover cmd="ctl_cyrusdb -C /srv/imapd.conf -r"
    idled cmd="idled -C /srv/imapd.conf"
}}
SERVICES {{
    imaps cmd="imapd -C /srv/imapd.conf -s -U 30" listen="{address}:{port}" prefork=1 maxchild=100
}}
EVENTS {{
    checkpoint cmd="ctl_cyrusdb -C /srv/imapd.conf -c" period=30
}}
"""


class Cyrus(RootedServer):
    """One server.

    namespace: `alternative` has the other folders beside INBOX, `/` between names, and marks the junk folder by its
    attribute; `inbox` has them below INBOX, `.` between names, and marks none.
    """

    root_name = "cyrus"
    binds: ClassVar = {"log": "/dev/log"}
    login = r"cyrus/imaps\[\d+\]: (?:(?P<ok>login: \[\S+\] USER )|badlogin: .*\bUSER\b)"

    def __init__(self, authority: Authority, namespace: Namespace) -> None:
        self.name = f"cyrus-{namespace}"
        self._namespace = namespace
        self.prefix = "INBOX." if namespace == "inbox" else ""
        super().__init__(authority)
        self._syslog = Syslog(self.root / "log", self.root / "syslog.log")

    def close(self) -> None:
        super().close()
        self._syslog.close()

    @property
    def log(self) -> str:
        path = self.root / "syslog.log"
        return super().log + (path.read_text(errors="replace") if path.exists() else "")

    def deliver(self, address: str, folder: str, messages: Sequence[bytes]) -> None:
        """Append all of them in one command, written by hand: IMAPClient's has a space too many for Cyrus."""
        with self.client(address, self.accounts[address]) as client:
            connection = client._imap
            tag = connection._new_tag()
            literals = b"".join(b" {%d+}\r\n%s" % (len(message), message) for message in messages)
            connection.send(tag + b' APPEND "' + folder.encode() + b'"' + literals + b"\r\n")
            assert connection._command_complete("APPEND", tag)[0] == "OK"

    def _address(self, number: int) -> str:
        # a dot divides folders in this namespace, so that a user's name has none
        return super()._address(number).replace("pathology.", "pathology-") if self.prefix else super()._address(number)

    def _write_accounts(self, passwords: Mapping[str, str]) -> None:
        address = list(passwords)[-1]
        user, _, realm = address.partition("@")
        self.inside.run("saslpasswd2", "-p", "-c", "-f", "/srv/accounts", "-u", realm, user, given=passwords[address])

    def _prepare(self) -> None:
        self._write_certificate()
        for name in ("config/socket", "lock", "mail", "proc"):
            (self.root / name).mkdir(parents=True)
        (self.root / "imapd.conf").write_text(_CONFIGURATION + _NAMESPACES[self._namespace])
        (self.root / "cyrus.conf").write_text(_SERVICES.format(address=ADDRESS, port=self.port))

    def _command(self) -> Sequence[str]:
        return self.inside.command("/usr/lib/cyrus/bin/master", "-C", "/srv/imapd.conf", "-M", "/srv/cyrus.conf")
