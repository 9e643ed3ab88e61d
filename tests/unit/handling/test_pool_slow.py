"""Mail on which a handler hangs leaves room for other senders' mail, before anything is overdue."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rig.worker import eventually
from tests.unit.handling.world import WAIT, message, record
from worker.handling.gate import Busy, Slots
from worker.handling.line import REMEMBERED, SLOW, Line, Sender
from worker.handling.pool import REPLACED_AT_MOST, ROOM, Pool
from worker.handling.resident import ProcessMemory
from worker.message.message import Message
from worker.message.outcome import Outcome, State

THREADS = 4
POLL = 60.0
HANGING = "h" * 26


@dataclass(eq=False)
class Item:
    """A message in the line."""

    sender: Sender


def others_run() -> bool:
    """Whether another thread of this process has work, though on a busy machine it may get no processor for a while."""
    tasks = [path for path in Path("/proc/self/task").iterdir() if path.name != str(threading.get_native_id())]
    return any(_state(task) == "R" for task in tasks)


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended


class Hanging:
    """A pool whose handler hangs on hostile mail. Time passes as `pass_time` says."""

    def __init__(self, threads: int = THREADS, slots: Slots | None = None, *, keep_one_free: bool = False) -> None:
        self.memory = 0
        self.pool = Pool(self._attempt, threads, memory=self, keep_one_free=keep_one_free)
        self.seconds = 0.0
        self.handled: list[int] = []
        self.most_at_once = 0
        self._slots = slots
        self._go = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._calls: list[int] = []
        self._slow: set[int] = set()
        self._rows = 0

    def resident(self) -> int:
        return self.memory

    def deliver(self, sender: str | None, *, hostile: bool = False) -> int:
        self._rows += 1
        self.pool.take(record(self._rows, sender), message(HANGING if hostile else "a" * 26), ())
        return self._rows

    def pass_time(self) -> None:
        """Whoever can be handled is; then the calls that hang become slow."""
        self.settle()
        with self._lock:
            slow = [thread for thread in self._calls if thread not in self._slow]
            self._slow.update(slow)
        self.seconds += SLOW
        for thread in slow:
            self.pool.slow(thread)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing happens any more of itself: two moments in which nothing ends and no thread has work."""
        quiet = 0
        while quiet < 2:
            found = self.pool.finished(0.01)
            self.handled += [one.record.id for one in found]
            quiet = 0 if found or others_run() else quiet + 1

    def wait_of(self, rows: Sequence[int]) -> float:
        """How long it takes until all of these are handled, in seconds."""
        self.settle()
        while set(rows) - set(self.handled):
            assert self.seconds < 10 * POLL, f"{len(set(rows) - set(self.handled))} still wait"
            self.pass_time()
        return self.seconds

    def end_one(self) -> None:
        """A call that hangs ends."""
        self._go.release()

    def end(self) -> None:
        self._go.release(self._rows)
        eventually(lambda: not self.pool or (bool(self.pool.finished(0.05)) and not self.pool))
        self.pool.close()

    def _attempt(self, found: Message, _done: Collection[str]) -> Outcome:
        if self._slots is not None and not self._slots.take():
            raise Busy((), self._slots)
        thread = threading.get_ident()
        with self._lock:
            self._calls.append(thread)
            self.most_at_once = max(self.most_at_once, len(self._calls))
        if found.key == HANGING:
            assert self._go.acquire(timeout=WAIT)
        with self._lock:
            self._calls.remove(thread)
        if self._slots is not None:
            self._slots.release()
        return Outcome(State.HANDLED)


@pytest.mark.parametrize("senders", [1, 2, 30], ids=["of one", "of two", "of ever new ones"])
def test_thirty_that_hang_and_then_five_genuine_ones(senders: int) -> None:
    case = Hanging()
    for number in range(30):
        case.deliver(f"hostile {number % senders}", hostile=True)
    genuine = [case.deliver("laboratory") for _ in range(5)]
    assert case.wait_of(genuine) <= 2 * POLL
    case.end()


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(["laboratory", "ward", None]), st.none()) | st.tuples(st.none(), st.integers(1, 8)),
    min_size=1,
    max_size=40,
)
"""Mail of genuine senders, and mail of eight others on which the handler hangs."""


@given(arrivals=ARRIVALS, threads=st.integers(2, 5), pauses=st.sets(st.integers(0, 40), max_size=2))
@settings(max_examples=60, deadline=None)
def test_no_mixture_of_mail_that_hangs_delays_anybody_else_for_long(
    arrivals: list[tuple[str | None, int | None]], threads: int, pauses: set[int]
) -> None:
    """Each sender whose mail hangs costs the others one turn at most, and eight of them two polls."""
    case = Hanging(threads)
    genuine: dict[int, float] = {}
    for number, (sender, hostile) in enumerate(arrivals):
        if hostile is None:
            genuine[case.deliver(sender)] = case.seconds
        else:
            case.deliver(f"hostile {hostile}", hostile=True)
        if number in pauses:
            case.pass_time()
    assert case.wait_of(list(genuine)) - min(genuine.values(), default=0.0) <= 2 * POLL + len(pauses) * SLOW
    assert case.most_at_once <= (1 + REPLACED_AT_MOST) * threads
    case.end()


def test_a_sender_whose_mail_hangs_leaves_a_thread_to_the_others_for_ever() -> None:
    case = Hanging()
    for _ in range(1_000):
        case.deliver("hostile", hostile=True)
    for _ in range(100):
        case.pass_time()
    assert case.wait_of([case.deliver("laboratory")]) == case.seconds
    assert case.most_at_once <= 2 * THREADS
    case.end()


def test_a_process_that_takes_much_memory_gets_no_more_threads() -> None:
    case = Hanging()
    for number in range(30):
        case.deliver(f"hostile {number}", hostile=True)
    case.memory = ROOM
    case.pass_time()
    assert case.most_at_once == THREADS
    case.end()


def test_what_this_process_takes_is_known() -> None:
    assert 10_000_000 < ProcessMemory().resident() < 10_000_000_000


def test_of_processes_of_their_own_one_is_always_left_to_other_senders() -> None:
    """Four processes, as by default: calls that hang last until their time limit, and nobody knows before."""
    case = Hanging(THREADS, Slots(THREADS), keep_one_free=True)
    for _ in range(30):
        case.deliver("hostile", hostile=True)
    genuine = [case.deliver("laboratory") for _ in range(5)]
    assert case.wait_of(genuine) == 0
    case.pass_time()
    assert case.wait_of([case.deliver("ward")]) == case.seconds
    assert case.most_at_once == THREADS
    case.end()


def test_where_a_handler_has_few_slots_the_next_that_is_free_goes_to_another_sender() -> None:
    """As with handlers in processes of their own: a call that hangs ends at its time limit."""
    slots = Slots(1)
    case = Hanging(2, slots)
    for _ in range(10):
        case.deliver("hostile", hostile=True)
    case.pass_time()
    genuine = case.deliver("laboratory")
    case.settle()
    assert genuine not in case.handled
    case.end_one()
    case.settle()
    assert genuine in case.handled
    case.end()


def test_a_sender_whose_mail_is_quick_again_has_all_threads_again() -> None:
    line: Line[Item] = Line(2)
    slow, quick = Item(("a", None)), Item(("a", None))
    for item in (slow, quick, Item(("a", None)), Item(("b", None))):
        line.put(item)
    assert line.get() is slow
    line.slow(slow)
    taken = line.get()
    assert taken is not None
    assert taken.sender == ("b", None)  # it is the only one that may go
    line.left(taken, slow=False, returned=True)
    line.left(slow, slow=True, returned=True)
    assert line.get() is not None
    line.close()


def test_without_slow_calls_mail_goes_in_its_order() -> None:
    line: Line[Item] = Line(4)
    items = [Item((str(number % 3), None)) for number in range(20)]
    for item in items:
        line.put(item)
    assert [line.get() for _ in items] == items


def test_mail_under_a_forged_name_is_not_the_senders_own() -> None:
    line: Line[Item] = Line(1)
    forged, own = Item(("laboratory", False)), Item(("laboratory", True))
    line.put(forged)
    assert line.get() is forged
    line.slow(forged)
    line.put(Item(("laboratory", False)))
    line.put(own)
    assert line.get() is own


def test_of_senders_whose_mail_was_slow_the_last_thousand_are_remembered() -> None:
    line: Line[Item] = Line(1)
    for number in range(REMEMBERED + 10):
        item = Item((str(number), None))
        line.put(item)
        assert line.get() is item
        line.slow(item)
        line.left(item, slow=True, returned=True)
    oldest, newest = Item(("0", None)), Item((str(REMEMBERED), None))
    assert line.choose([newest, oldest]) is oldest


def test_what_has_not_been_begun_of_a_sender_whose_mail_hangs_can_be_taken_back() -> None:
    slots = Slots(1)
    case = Hanging(2, slots)
    hostile = [case.deliver("hostile", hostile=True) for _ in range(4)]
    case.pass_time()
    ward = case.deliver("ward")
    case.settle()
    assert sorted(case.pool.drop_slow()) == hostile[1:]
    assert case.pool.rows() == [hostile[0], ward]
    assert case.pool.size == message().size  # the call that hangs doesn't count
    case.end_one()
    case.settle()
    assert case.handled == [hostile[0], ward]
    case.end()


def test_what_was_forgotten_while_it_hung_counts_nowhere() -> None:
    """The lease was lost, and the messages belong to another worker."""
    case = Hanging()
    for _ in range(THREADS):
        case.deliver("hostile", hostile=True)
    case.pass_time()
    case.pool.forget()
    case.deliver("ward", hostile=True)
    case.pass_time()
    assert case.pool.size == 0
    case.end()


class Shared:
    """A pool whose messages need the one slot of a handler, or another handler. Each call lasts until it is ended."""

    def __init__(self) -> None:
        self.pool = Pool(self._attempt, 4)
        self.slots = Slots(1)
        self.calls: dict[str, int] = {}
        self._ends: dict[str, threading.Event] = {}

    def take(self, sender: str, name: str) -> None:
        """Take a message. One whose name begins with "s" needs the slot."""
        self._ends[name] = threading.Event()
        self.pool.take(record(len(self._ends), sender), message(name), ())

    def begun(self, name: str) -> None:
        eventually(lambda: name in self.calls)

    def end(self, *names: str) -> None:
        for name in names or self._ends:
            self._ends[name].set()

    def _attempt(self, found: Message, _done: Collection[str]) -> Outcome:
        name = str(found.key)
        if name.startswith("s") and not self.slots.take():
            raise Busy((), self.slots)
        self.calls[name] = threading.get_ident()
        assert self._ends[name].wait(WAIT)
        if name.startswith("s"):
            self.slots.release()
        return Outcome(State.HANDLED)


@pytest.mark.parametrize("drop", [False, True], ids=["it waits in the line", "it is taken back"])
def test_a_slot_that_is_free_for_one_who_may_not_begin_goes_to_another(
    drop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_aside = threading.Semaphore(0)
    ask = Slots.when_free

    def when_free(slots: Slots, call: Callable[[], bool]) -> None:
        ask(slots, call)
        laid_aside.release()

    monkeypatch.setattr(Slots, "when_free", when_free)
    case = Shared()
    case.take("ward", "s0")
    case.begun("s0")
    for sender, name in (("hostile", "s1"), ("clinic", "s2")):
        case.take(sender, name)
        assert laid_aside.acquire(timeout=WAIT)
    for name in ("x1", "x2", "x3"):
        case.take("hostile", name)
        case.begun(name)
    case.take("surgery", "y")
    case.end("s0")
    case.begun("y")
    for name in ("x1", "x2", "x3"):  # the hostile sender's message has the slot's turn, and must leave a thread free
        case.pool.slow(case.calls[name])
    if drop:
        case.pool.drop_slow()
    case.end("y")
    case.begun("s2")
    case.end()
    case.pool.close()


def test_the_newest_and_the_oldest_that_were_laid_aside_take_turns() -> None:
    line: Line[Item] = Line(4)
    slow = Item(("hostile", None))
    line.put(slow)
    assert line.get() is slow
    line.slow(slow)
    aside = [Item((str(number), None)) for number in range(4)]
    order: list[Item] = []
    while aside:
        chosen = line.choose(aside)
        assert chosen is not None
        aside.remove(chosen)
        order.append(chosen)
        line.put(chosen)
        assert line.get() is chosen
        line.left(chosen, slow=False, returned=True)
    assert [item.sender[0] for item in order] == ["3", "0", "2", "1"]


def test_where_no_thread_can_be_started_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system lets a process have so many threads and no more."""
    case = Hanging(1)
    case.deliver("hostile", hostile=True)
    case.settle()

    def fails(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails)
        case.pass_time()
    assert case.pool.replaced() == 0
    ward = case.deliver("ward")
    case.end_one()
    case.settle()
    assert ward in case.handled
    case.end()
