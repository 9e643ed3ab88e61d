"""Fingerprints of credentials: to know one again without keeping it."""

import hashlib
from dataclasses import dataclass
from typing import Final

COST: Final = 2**15
"""scrypt's n: with r = 8 about 32 MB and a tenth of a second for each guess."""
_BLOCK: Final = 8
_LENGTH: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Fingerprinter:
    """Makes fingerprints: scrypt (RFC 7914) under the journal's own salt."""

    salt: bytes
    cost: int = COST

    def of(self, kind: str, secret: str) -> str:
        """The fingerprint of a secret, as `kind:hex`."""
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
