"""Messages and facts on PostgreSQL: the tests that they pass on SQLite, where the two could differ."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.fakes.mailbox import JUNK, mail
from tests.fakes.plans import growing, statements
from tests.fakes.world import World
from tests.rig.grown_journal import fill
from tests.rig.postgres import Postgres

# The very same tests, on the database of this module's fixtures.
from tests.unit.journal.test_audit_anchors import test_anchors_never_go_back  # noqa: F401
from tests.unit.journal.test_facts import test_facts  # noqa: F401
from tests.unit.journal.test_failed_handlers import test_it_is_the_one_whose_failure_is_the_reason  # noqa: F401
from tests.unit.journal.test_inbox_rows import (  # noqa: F401
    test_a_few_messages_at_a_time_and_all_else_after_the_last,
    test_messages_and_where_they_are_to_go,
    test_since_when_a_header_is_awaited,
    test_the_last_look_at_it,
    test_which_headers_are_being_read_and_ended_the_process,
)
from tests.unit.journal.test_key_search import (  # noqa: F401
    test_a_short_key_is_as_long_as_it_must_be,
    test_keys_are_found_by_beginning_and_number_in_order_and_counted,
    test_look_alikes_keep_their_numbers_and_the_first_is_whole,
    test_what_like_takes_for_a_wildcard_is_a_character,
)
from tests.unit.journal.test_message_search import (  # noqa: F401
    search,
    test_by_sender_newest_first_within_the_time,
    test_by_the_beginning_of_a_key_and_nothing_else_in_it,
    test_in_a_folder_with_a_place_and_not_gone,
)
from tests.unit.journal.test_messages import (  # noqa: F401
    test_counts,
    test_more_rows_than_one_statement_takes,
    test_walks_that_miss_settled_mail_are_counted_until_one_finds_it,
    test_what_each_sender_waits_for_in_the_order_of_its_arrival,
    test_what_is_compacted_is_forgotten_and_still_counted,
    test_what_is_entered_is_read_again,
    test_what_is_opened_again_begins_anew_but_for_what_is_done,
)
from tests.unit.journal.test_messages_content import (  # noqa: F401
    test_a_content_is_recorded_with_its_outcome_and_kept_over_tries_without_one,
    test_a_doubtful_one_that_is_another_is_due_as_before,
    test_a_release_ends_the_doubt_about_what_no_handler_has_had,
    test_one_that_is_found_by_its_headers_is_in_doubt_only_if_its_content_is_known,
    test_one_that_is_recognised_takes_the_place_of_the_doubtful_row,
    test_one_that_was_gone_is_pending_again,
    test_one_that_we_moved_ourselves_is_not_lost,
    test_the_key_is_made_once_and_read_by_all,
    test_what_was_moved_while_it_was_in_hand_and_waits_is_compared_first,
    test_what_was_moved_while_it_was_in_hand_is_lost_once_it_is_done,
)
from tests.unit.journal.test_migrate import breaks_off_and_is_repeated
from tests.unit.journal.test_places import (  # noqa: F401
    test_gone_is_what_walks_in_a_row_missed_and_only_what_is_pending,
    test_gone_mail_that_is_seen_again_is_pending_and_nothing_of_its_end_is_left,
    test_the_last_look_at_each_folder,
)
from tests.unit.journal.test_recent_outcomes import (  # noqa: F401
    test_a_day_is_24_hours_with_this_one_the_oldest_first,
    test_the_newest_are_those_that_came_to_their_state_last,
)
from tests.unit.journal.test_tries import (  # noqa: F401
    test_handlers_that_are_done_stay_done_and_failures_are_counted,
    test_more_rows_are_left_out_than_a_statement_takes_parameters,
    test_the_time_of_the_next_try_decides_what_is_due,
    test_waiting_for_content_counts_from_its_beginning_and_ends_when_content_came,
    test_what_is_done_on_one_path_is_not_done_on_the_other,
)
from tests.unit.observe.test_digest_job import test_a_sender_is_known_once_mail_of_his_was_handled_as_clean  # noqa: F401
from worker.journal.database import Database
from worker.journal.junk_review import likely_mistake_keys, likely_mistakes, released_since
from worker.journal.messages import Messages
from worker.journal.migrate import migrate
from worker.journal.places import Places
from worker.journal.recent_outcomes import newest
from worker.journal.schema import metadata
from worker.journal.tries import Tries
from worker.journal.waiting_again import waiting_again
from worker.message.outcome import State

SETTLED = 20_000


@pytest.fixture(scope="module")
def url(postgres_server: Postgres) -> str:
    """A database with the journal's tables."""
    url = postgres_server.fresh_url()
    database = Database(url)
    migrate(database)
    database.close()
    return url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    found = Database(url)
    with found.write() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE"))
    yield found
    found.close()


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


@pytest.fixture
def tries(database: Database) -> Tries:
    return Tries(database)


@pytest.fixture
def places(database: Database) -> Places:
    return Places(database)


def test_a_poll_and_status_read_no_settled_rows_but_those_that_they_ask_for(database: Database) -> None:
    """With so many rows, and their statistics, the server chooses as it does for a large journal."""
    world = World(database=database)
    fill(database, SETTLED, world.clock())
    with statements() as asked:
        for name in ("ok", "reject", "twice"):
            world.server.deliver(mail(name))
        world.server.deliver(mail(junk=True))
        world.server.deliver(mail(), JUNK)
        for _ in range(3):
            world.tick(400)
        world = World(world.server, database=database)
        world.tick()
        for state in (State.JUNK, State.FAILED):
            newest(database, state, 5)
        likely_mistakes(database)
        likely_mistake_keys(database, 5)
        waiting_again(database, 5)
        world.journal.any_settled_before(0.0)
        world.journal.handled_before(0.0)
        released_since(database, world.clock())
    assert len(asked) > 20, "it looks at what is asked"
    once = {"SELECT CAST(floor": "counts earlier outcomes once, in the journal of an earlier program"}
    assert growing(database, asked, once) == []


def test_an_upgrade_that_breaks_off_leaves_the_journal_as_it_was(postgres_server: Postgres) -> None:
    database = Database(postgres_server.fresh_url())
    breaks_off_and_is_repeated(database)
    database.close()
