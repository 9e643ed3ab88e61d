"""Fingerprints of credentials: how the worker recognises a credential without storing it."""

import hashlib
from dataclasses import dataclass
from typing import Final

COST: Final = 2**15
"""scrypt's n. With r = 8, each guess costs about 32 MB and a tenth of a second."""
_BLOCK: Final = 8
_LENGTH: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Fingerprinter:
    """Makes fingerprints with scrypt (RFC 7914) and the journal's own salt."""

    salt: bytes
    cost: int = COST

    def of(self, kind: str, secret: str) -> str:
        """Return the fingerprint of a secret, as `kind:hex`."""
        memory = 2 * 128 * self.cost * _BLOCK + (1 << 20)
        digest = hashlib.scrypt(
            secret.encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=self.cost,
            r=_BLOCK,
            p=1,
            maxmem=memory,
            dklen=_LENGTH,
        )
        return f"{kind}:{digest.hex()}"
