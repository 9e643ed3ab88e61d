"""How much memory this process takes."""

import resource
from contextlib import suppress
from pathlib import Path


class ProcessMemory:
    """The memory of this process."""

    def resident(self) -> int:
        """Bytes in use now; 0 if the system doesn't say."""
        with suppress(OSError, ValueError, IndexError):
            return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
        return 0
