"""What the files say about their own end: the application's certificate, and the token cache."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from worker.login.credential import CredentialUnavailable, read_secret
from worker.login.expiry import Found
from worker.login.token_cache import SignIn, TokenCache
from worker.private_files import FileMode


class ExpiryFiles:
    """Reads them anew each time: both are replaced while the worker runs.

    certificate: its file; None: there is none. tokens: the token cache; None: nobody signs in.
    """

    def __init__(self, *, certificate: Path | None, mode: FileMode, tokens: TokenCache | None) -> None:
        self._certificate = certificate
        self._mode: FileMode = mode
        self._tokens = tokens

    def found(self, before: Found) -> Found:
        """Return what they say now; what can't be read isn't known. before: what they said last."""
        return replace(self._sign_in(before), certificate_ends=self._certificate_ends())

    def _certificate_ends(self) -> float | None:
        if self._certificate is None:
            return None
        try:
            pem = read_secret(self._certificate, self._mode)
        except CredentialUnavailable:
            return None
        from cryptography import x509

        try:
            return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp()
        except ValueError:
            return None

    def _sign_in(self, before: Found) -> Found:
        kept = None
        if self._tokens is not None:
            with suppress(CredentialUnavailable):
                kept = self._tokens.load()
        if kept is None:
            return Found()
        name, used_at = hashlib.sha256(kept.name.encode()).hexdigest()[:16], last_use(kept)
        made_at = before.signed_in_at if before.sign_in == name else used_at
        return Found(sign_in=name, signed_in_at=made_at, used_at=used_at)


def last_use(kept: SignIn) -> float | None:
    """Return when the refresh token was last used, in epoch seconds; None: there is none, or it doesn't say.

    Every access token but an application's own was got for it, and a service that hands out a new refresh token with
    each puts the old one's use into that one's date.
    """
    with suppress(ValueError, TypeError, AttributeError):
        tokens = json.loads(kept.tokens)
        if not tokens.get("RefreshToken"):
            return None
        dates = [*_dates(tokens, "RefreshToken", "last_modification_time"), *_dates(tokens, "AccessToken", "cached_at")]
        return max(dates, default=None)
    return None


def _dates(tokens: dict[str, Any], kind: str, name: str) -> Iterator[float]:
    for entry in tokens.get(kind, {}).values():
        if name in entry:
            yield float(entry[name])
