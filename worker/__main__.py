"""`python -m worker` is the command `nhsmail-worker`."""

from worker.cli import main

main()
