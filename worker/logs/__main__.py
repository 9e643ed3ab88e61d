"""`python -m worker.logs > docs/events.md`: prints the catalogue of events as a page of the documentation."""

import sys

from worker.logs import events

if __name__ == "__main__":
    sys.stdout.write(events.markdown())
