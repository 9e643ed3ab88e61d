"""The application's registration with the sign-in service: who it is, and the secret or certificate that proves it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.connections import Proxy
from worker.login.credential import CredentialUnavailable, read_secret
from worker.private_files import FileMode


@dataclass(frozen=True, slots=True)
class OAuthConfig:
    """The application's registration, and the way to the sign-in service. Times are in seconds.

    proxy: None if the environment says how the service is reached, as requests reads it.

    Of client_secret, client_secret_file and certificate_file, one is set for a confidential client, none for a public.
    """

    tenant: str
    client_id: str
    authority: str = "https://login.microsoftonline.com"
    scopes: tuple[str, ...] = ()
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    certificate_file: Path | None = None
    file_mode: FileMode = "private"
    refresh_ahead: float = 300.0
    timeout: float = 30.0
    ca_file: Path | None = None
    proxy: Proxy | None = None

    @property
    def is_confidential(self) -> bool:
        """Whether the application has a secret or a certificate to prove itself with."""
        return any(one is not None for one in (self.client_secret, self.client_secret_file, self.certificate_file))

    def secret(self) -> tuple[Any, str]:
        """Return the application's secret in msal's form, and the text that distinguishes it from any other.

        Raises:
            CredentialUnavailable: there is no secret, or it can't be used.
        """
        name = f"{self.tenant}/{self.client_id}/"
        if self.certificate_file is not None:
            pem = read_secret(self.certificate_file, self.file_mode)
            return _certificate(pem, self.certificate_file), name + pem
        if self.client_secret_file is not None:
            secret = read_secret(self.client_secret_file, self.file_mode)
        else:
            secret = self.client_secret or ""
        if not secret:
            raise CredentialUnavailable(
                "The application's secret is empty. No login was tried. Set `client_secret_file` or `certificate_file` "
                "under `[account.oauth]`."
            )
        return secret, name + secret


def _certificate(pem: str, path: Path) -> dict[str, str]:
    """Return the certificate and its key in msal's form. No thumbprint: msal makes its own, and one from us would have
    to be SHA-1."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate, key = x509.load_pem_x509_certificate(pem.encode()), load_pem_private_key(pem.encode(), None)
        fits = certificate.public_key() == key.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key has a passphrase
        fits = False
    if not fits:
        raise CredentialUnavailable(
            f"{path} doesn't hold a certificate and its private key in PEM. No login was tried. Put both into the "
            "file, the key without a passphrase."
        )
    return {"private_key": pem, "public_certificate": pem}
