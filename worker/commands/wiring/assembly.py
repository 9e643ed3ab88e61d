"""Puts the pipeline together, for the program and for the tests alike."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.handling.pool import Pool
from worker.journal.intents import Intents
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.tries import Tries
from worker.mailbox.folders import Layout
from worker.message.content_mark import ContentMarks
from worker.message.key import Fingerprints
from worker.message.mime.limits import Limits
from worker.message.verdict import MailPath
from worker.pipeline.admit import Admission, Classify, SenderOf
from worker.pipeline.arrivals import Arrivals
from worker.pipeline.dispatch import Bounds, Dispatch
from worker.pipeline.fetch import Fetch
from worker.pipeline.header_suspects import HeaderSuspects
from worker.pipeline.intake import Intake
from worker.pipeline.late_content import LateContent
from worker.pipeline.late_headers import LateHeaders
from worker.pipeline.observer import Observer
from worker.pipeline.outbox import Outbox
from worker.pipeline.pipeline import Pipeline
from worker.pipeline.poll import Poll
from worker.pipeline.recognition import Recognition
from worker.pipeline.record import Backoff, Results, Targets
from worker.pipeline.recorder import Flushable, Recorder
from worker.pipeline.redelivery import Redelivery
from worker.pipeline.requests import Requests
from worker.pipeline.settle import Settle
from worker.pipeline.stop import Permission
from worker.pipeline.turns import Turns
from worker.pipeline.whereabouts import Whereabouts


@dataclass(frozen=True, kw_only=True)
class JournalParts:
    """The journal's parts that the pipeline writes, and the address of the account that the journal is for.

    marks: makes the marks of contents, with the journal's key.
    """

    account: str
    messages: Messages
    tries: Tries
    places: Places
    intents: Intents
    marks: ContentMarks

    @property
    def fingerprints(self) -> Fingerprints:
        """The fingerprints of the account's messages."""
        return Fingerprints(self.account)

    @property
    def whereabouts(self) -> Whereabouts:
        """The part that finds messages again."""
        return Whereabouts(self.messages, self.places, self.fingerprints)

    def settle(self, layout: Layout, clock: Callable[[], float]) -> Settle:
        """The part that makes the mailbox show the outcomes."""
        return Settle(
            messages=self.messages,
            places=self.places,
            whereabouts=self.whereabouts,
            fingerprints=self.fingerprints,
            layout=layout,
            clock=clock,
        )

    def requests(self, settle: Settle, layout: Layout, clock: Callable[[], float]) -> Requests:
        """The part that carries out what people asked for."""
        redelivery = Redelivery(intents=self.intents, messages=self.messages, whereabouts=self.whereabouts, clock=clock)
        return Requests(self.intents, self.messages, settle, layout, redelivery, clock)

    def poll(self, layout: Layout, since: datetime | None) -> Poll:
        """The part that looks at the watched folders."""
        return Poll(
            messages=self.messages, places=self.places, fingerprints=self.fingerprints, layout=layout, since=since
        )

    def arrivals(self, layout: Layout) -> Arrivals:
        """The part that counts what comes during a pause."""
        return Arrivals(messages=self.messages, places=self.places, layout=layout)


@dataclass(frozen=True, kw_only=True)
class MessageRules:
    """What the settings say about the stages of a message.

    move_releases: whether a move out of the junk folder counts as a person's release. junk_by_headers: whether the
    handlers of junk need no body. deaths: when the process has died this often with a message alone in hand, the
    message is a dead letter. handlers: the names of those that there are, by path.
    """

    handlers: Mapping[MailPath, Collection[str]]
    classify: Classify
    sender_of: SenderOf
    move_releases: bool
    since: datetime | None
    limits: Limits
    deaths: int
    junk_by_headers: bool
    bounds: Bounds
    targets: Targets
    backoff: Backoff


def assemble(
    *,
    journal: JournalParts,
    rules: MessageRules,
    layout: Layout,
    settle: Settle,
    pool: Pool,
    turns: Turns,
    handlers: Flushable,
    permission: Permission,
    observer: Observer,
    clock: Callable[[], float],
    run: str,
) -> Pipeline:
    """The pipeline with all its stages. run: names this process in the journal."""
    poll = journal.poll(layout, rules.since)
    suspects = HeaderSuspects(journal.places, in_hand=pool, deaths=rules.deaths)
    recognition = Recognition(
        messages=journal.messages,
        tries=journal.tries,
        places=journal.places,
        layout=layout,
        pool=pool,
        move_releases=rules.move_releases,
        observer=observer,
        clock=clock,
    )
    return Pipeline(
        poll=poll,
        intake=Intake(
            poll=poll,
            admission=_admission(journal, rules, layout, suspects, recognition, settle, clock),
            whereabouts=journal.whereabouts,
            places=journal.places,
            pool=pool,
            permission=permission,
            observer=observer,
            clock=clock,
        ),
        dispatch=Dispatch(
            tries=journal.tries,
            turns=turns,
            fetch=_fetch(journal, rules, layout, pool, run),
            pool=pool,
            bounds=rules.bounds,
            permission=permission,
            clock=clock,
        ),
        outbox=Outbox(
            pool=pool,
            recorder=Recorder(
                messages=journal.messages,
                tries=journal.tries,
                pool=pool,
                results=Results(targets=rules.targets, layout=layout, backoff=rules.backoff),
                handlers=handlers,
                observer=observer,
                clock=clock,
            ),
            recognition=recognition,
            settle=settle,
            places=journal.places,
            poll=poll,
            permission=permission,
            observer=observer,
            clock=clock,
        ),
        requests=journal.requests(settle, layout, clock),
    )


def _admission(
    journal: JournalParts,
    rules: MessageRules,
    layout: Layout,
    suspects: HeaderSuspects,
    recognition: Recognition,
    settle: Settle,
    clock: Callable[[], float],
) -> Admission:
    return Admission(
        messages=journal.messages,
        places=journal.places,
        whereabouts=journal.whereabouts,
        suspects=suspects,
        late_headers=LateHeaders(journal.places, suspects, clock),
        recognition=recognition,
        moves=settle,
        fingerprints=journal.fingerprints,
        marks=journal.marks,
        layout=layout,
        classify=rules.classify,
        sender_of=rules.sender_of,
        clock=clock,
    )


def _fetch(journal: JournalParts, rules: MessageRules, layout: Layout, pool: Pool, run: str) -> Fetch:
    return Fetch(
        messages=journal.messages,
        tries=journal.tries,
        places=journal.places,
        whereabouts=journal.whereabouts,
        fingerprints=journal.fingerprints,
        late_content=LateContent(
            messages=journal.messages,
            fingerprints=journal.fingerprints,
            layout=layout,
            classify=rules.classify,
            sender_of=rules.sender_of,
        ),
        pool=pool,
        layout=layout,
        limits=rules.limits,
        deaths=rules.deaths,
        junk_by_headers=rules.junk_by_headers,
        handlers=rules.handlers,
        run=run,
    )
