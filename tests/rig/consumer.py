"""A consumer as the documentation asks for: it uses the key to drop messages that it has already had."""

import base64
import json
from typing import Any


class Consumer:
    """Keeps each message once, and counts repeats."""

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
