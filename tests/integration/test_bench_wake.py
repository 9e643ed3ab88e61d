"""The bench's server that reports new mail at once: it has an answer to all that a worker asks of it."""

import random

from bench import mail
from bench.notifying import NotifyingServer
from bench.site import Site
from bench.wake import waits_if_notified

LETTERS = 2


def test_a_worker_in_idle_is_told_of_each_message_and_fetches_it() -> None:
    generator = random.Random(7)
    with Site() as site, NotifyingServer(site.authority, [mail.plain(generator, n) for n in range(LETTERS)]) as server:
        place = site.workplace(site.mailbox(), handler="stamp", idle=True, port=server.port)
        assert len(waits_if_notified(server, place, LETTERS)) == LETTERS
        assert server.last_commands()[-1] == "FETCH body"
