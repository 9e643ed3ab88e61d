"""What is found under a handler's name: what it leads to, its settings, and every fault."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from worker.settings.wording import title


@dataclass(slots=True)
class Found:
    """What a name leads to: a callable or a class and its settings, or faults. place: `module:name`."""

    name: str
    faults: list[str]
    place: str = ""
    target: Any = None
    own: BaseModel | None = None
    secrets: tuple[str, ...] = ()


def fault_text(name: str, key: str, text: str) -> str:
    return f"{title(('handler', name, key) if key else ('handler', name))}: {text}"
