"""`python -m worker` is the command `nhsmail-worker`."""

from worker.cli.main import main

main()
