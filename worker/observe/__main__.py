"""Prints the documentation of the events, made from their catalogue: `python -m worker.observe > docs/events.md`."""

import sys

from worker.observe.events import markdown

if __name__ == "__main__":
    sys.stdout.write(markdown())
