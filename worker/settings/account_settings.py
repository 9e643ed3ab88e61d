"""The account, and how the worker signs in to it."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from worker.settings.exchange_hosts import EXCHANGE_HOSTS
from worker.settings.types import Address, Day, Host, PositiveDuration, Table


class OAuthSettings(Table):
    """How to get a token for the mailbox from Microsoft's token endpoint."""

    about = "OAuth 2.0, for every `auth` except `password`. If the flow needs one: a secret or a certificate."

    tenant: str = Field(default="", description="The tenant: its id, or its domain.")
    client_id: str = Field(default="", description="The id of the registered application.")
    client_secret: SecretStr | None = Field(
        default=None,
        description=(
            "The application's secret, for `oauth2-client` and `oauth2-browser`. With a secret or certificate, a "
            "sign-in by `oauth2-browser` survives a password change by its user. Without one it doesn't."
        ),
    )
    client_secret_file: Path | None = Field(default=None, description="A file that holds the application's secret.")
    certificate_file: Path | None = Field(
        default=None,
        description="A PEM file with the application's certificate and its private key, instead of a secret.",
    )
    secret_expires: Day = Field(
        default=None,
        description=(
            "The date on which the secret ends, from the application's registration. The worker warns before it. "
            "The sign-in service doesn't report this date. A certificate has its own end date. Unset: not known."
        ),
        json_schema_extra={"shown_type": "date", "shown_default": "–"},
    )
    authority: str = Field(
        default="https://login.microsoftonline.com", description="The token endpoint's address, without the tenant."
    )
    scopes: tuple[str, ...] = Field(
        default=(), description="The scopes to ask for. Empty: those that IMAP needs in this flow."
    )
    refresh_ahead: PositiveDuration = Field(
        default=timedelta(minutes=5), description="The worker renews a token this long before it expires."
    )


class AccountSettings(Table):
    """The one mailbox, its server, and how to log in."""

    about = (
        "The one mailbox. A second one can't be configured: NHSmail's policy forbids keeping the passwords of "
        "several accounts in one application. Exchange Online's own servers don't accept passwords over IMAP, so "
        "the worker sends them none unless `allow_password` is set. It knows them by these names, and by all names "
        f"below them: {', '.join(f'`{host}`' for host in EXCHANGE_HOSTS)}."
    )

    address: Address = Field(description="The mailbox's full address, which is also its user name.")
    host: Host = Field(default="outlook.office365.com", description="The IMAP server.")
    port: int = Field(default=993, ge=1, le=65535, description="Its port. The connection uses TLS from its first byte.")
    auth: Literal["password", "oauth2-browser", "oauth2-client", "oauth2-device", "oauth2-password"] = Field(
        default="password", description="How to log in. NHSmail's own mailboxes need OAuth 2.0 today."
    )
    allow_password: bool = Field(
        default=False,
        description=(
            'Let `auth = "password"` send the password to one of Exchange Online\'s own servers. They refuse every '
            "password as if it were wrong, and each refusal counts. Without this setting the worker halts before "
            "any attempt, and `check` exits with 1."
        ),
    )
    sign_in: Address | None = Field(
        default=None,
        description=(
            "The account that signs in, if it isn't `address`: for a shared mailbox, a user with full access to it. "
            "For `oauth2-browser` and `oauth2-device`. The worker still reads only `address`."
        ),
    )
    password: SecretStr | None = Field(
        default=None, description="The password, for `password` and `oauth2-password`. A change needs a restart."
    )
    password_file: Path | None = Field(
        default=None,
        description=(
            "A file that holds the password. The worker reads it before each attempt, so a change needs no restart."
        ),
    )
    password_file_mode: Literal["private", "group", "any"] = Field(
        default="private",
        description=(
            "Who may read the files that hold secrets: only their owner (`private`), the group too (`group`), or "
            "anybody (`any`), as some secret mounts need."
        ),
    )
    ca_file: Path | None = Field(
        default=None,
        description=(
            "A PEM file of authorities to trust, in addition to the system's. Verification can't be turned off."
        ),
    )
    connect_timeout: PositiveDuration = Field(
        default=timedelta(seconds=20), description="How long connecting may take."
    )
    read_timeout: PositiveDuration = Field(
        default=timedelta(seconds=60), description="How long the server may stay silent."
    )
    oauth: OAuthSettings = Field(default_factory=OAuthSettings.model_construct)
