"""What has been found out about a handler before it is built, and how its faults are worded."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from worker.settings.wording import title


@dataclass(slots=True)
class Found:
    """A handler by its name in the configuration, as far as it could be looked up; filled in step by step.

    place: `module:name`. target: the object there. own: its settings. secrets: values that no fault may quote.
    """

    name: str
    faults: list[str]
    place: str = ""
    target: Any = None
    own: BaseModel | None = None
    secrets: tuple[str, ...] = ()

    def hide(self, secret: str) -> None:
        """Never quote this value in a fault."""
        self.secrets += (secret,)


def fault_text(name: str, key: str, text: str) -> str:
    """A fault in the handler's table. key: the setting; empty for the handler as a whole."""
    return f"{title(('handler', name, key) if key else ('handler', name))}: {text}"
