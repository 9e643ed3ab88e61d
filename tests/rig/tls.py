"""Certificates for servers on loopback: one authority for each test run, and any number of certificates."""

import ssl
from datetime import datetime
from pathlib import Path

import trustme

HOST = "localhost"
ADDRESS = "127.0.0.1"


class Authority:
    """A private CA. Clients trust `ca_file`; each server gets its own certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, *names: str, not_after: datetime | None = None) -> tuple[Path, Path]:
        """Write a certificate for `names`, or for loopback if there are none. Returns its chain and its key."""
        common_name = None if names else HOST  # fetchmail refuses a certificate without one
        issued = self._ca.issue_cert(*(names or (HOST, ADDRESS)), common_name=common_name, not_after=not_after)
        stem = f"server-{len(list(self._folder.glob('server-*.key')))}"
        chain, key = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return chain, key

    def server_context(self, *names: str, not_after: datetime | None = None) -> ssl.SSLContext:
        """A server's TLS context with a new certificate for `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names, not_after=not_after))
        return context

    def client_context(self) -> ssl.SSLContext:
        """A client's TLS context that trusts only this authority."""
        return ssl.create_default_context(cafile=str(self.ca_file))
