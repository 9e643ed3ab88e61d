"""A consumer that does what the documentation asks of one: it drops what it has had already, by the key."""

import base64
import json
from typing import Any


class Consumer:
    """Keeps each message once."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.repeats = 0

    def take(self, body: bytes) -> None:
        told = json.loads(body)
        if told["key"] in self.kept:
            self.repeats += 1
        self.kept.setdefault(told["key"], told)

    def raw(self, key: str) -> bytes:
        return base64.b64decode(self.kept[key]["raw"])
