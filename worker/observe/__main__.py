"""Prints pages of the documentation that are made from catalogues.

`python -m worker.observe > docs/events.md`; `python -m worker.observe audit > docs/audit.md`.
"""

import sys

from worker.observe import events
from worker.observe.audit import trail as audit

if __name__ == "__main__":
    sys.stdout.write(audit.markdown() if sys.argv[1:] == ["audit"] else events.markdown())
