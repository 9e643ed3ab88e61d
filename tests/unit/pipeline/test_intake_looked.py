"""What a poll stores of each folder for the next process, and for the balance of messages."""

from tests.fakes.mailbox import INBOX, JUNK, mail
from tests.fakes.world import World
from worker.journal.records import Looked
from worker.mailbox import uid_sets


def test_a_poll_stores_what_each_folder_looked_like(world: World) -> None:
    world.handled = "keep"
    world.start()
    assert world.places.last_looks() == {}
    for _ in range(2):
        world.server.deliver(mail())
        world.server.deliver(mail(), JUNK)
        world.tick()
        folders = {name: world.server.folders[name] for name in (INBOX, JUNK)}
        assert world.places.last_looks() == {
            name: Looked(folder.uidvalidity, folder.uidnext, uid_sets.checksum(set(folder.mails)))
            for name, folder in folders.items()
        }
