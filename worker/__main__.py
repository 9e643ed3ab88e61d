"""`python -m worker` is the command `nhsmail-worker`."""

from nhsmail_worker import main

main()
