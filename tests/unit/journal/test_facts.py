"""Single facts that outlive the process."""

from worker.journal.database import Database
from worker.journal.facts import Facts, LastPoll


def test_facts(database: Database) -> None:
    facts = Facts(database)
    assert facts.last_poll() is None
    facts.polled(LastPoll(5.0, ok=True, new=3))
    facts.polled(LastPoll(6.5, ok=False, new=0))
    assert facts.last_poll() == LastPoll(6.5, ok=False, new=0)
    facts.pause("someone", 0.0)
    assert facts.paused() == "1970-01-01T00:00:00+00:00 by someone"
    facts.resume("some")
    facts.resume("so%")
    assert facts.paused() is not None, "that pause is another's"
    facts.resume("someone")
    assert facts.paused() is None
    facts.pause("someone", 0.0)
    facts.resume()
    facts.resume()
    assert facts.paused() is None
    facts.remember("note", "left by someone")
    facts.resume("someone")
    assert facts.recall("note") == "left by someone"
