"""The catalogue of events: every line that the log can hold, what it means, and what to do about it.

It sets each event's level and the fields that may leave with it, and the documentation is made from it
(`python -m worker.logs > docs/events.md`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.logs.fields import CONTEXT, FIELDS

NAME: Final = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+")


class Level(StrEnum):
    """How urgent an event is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of line in the log.

    name: dotted, its subject first. meaning: what has happened. do: what a person does about it; empty: nothing.
    fields: what may go with it, besides the bound context.
    """

    name: str
    level: Level
    meaning: str
    do: str = ""
    fields: frozenset[str] = frozenset()


def _event(name: str, level: str, fields: str, meaning: str, do: str = "") -> Event:
    return Event(name, Level(level), meaning, do, frozenset(fields.split()))


_EVENTS = (
    # the log itself
    _event(
        "log.unlisted",
        "warning",
        "where",
        "Something was logged under a name that isn't in the catalogue; its text was dropped.",
        "Nothing is wrong with the mail. Report it: it is a fault of the worker.",
    ),
    _event(
        "library.warning",
        "warning",
        "library where template",
        "A library that the worker uses logged a warning; only its place in the source is kept.",
        "Nothing, unless it comes often and beside other trouble.",
    ),
    _event(
        "library.error",
        "error",
        "library where template",
        "A library that the worker uses logged an error; only its place in the source is kept.",
        "Look at the worker's own events around it: they say what it means for the mail.",
    ),
    _event(
        "python.warning",
        "warning",
        "category where",
        "Python warned about a piece of code; its text was dropped.",
        "Nothing now; mention it when you report a fault.",
    ),
    _event(
        "worker.crashed",
        "error",
        "",
        "The process ends because of an error that nothing caught. No message is lost.",
        "Let it restart; when it happens again, report the frames in this line.",
    ),
    _event(
        "worker.thread_died",
        "error",
        "",
        "A thread ended because of an error that nothing caught.",
        "Watch /livez: it fails when a restart is needed. Report the frames in this line.",
    ),
    _event(
        "worker.unraisable",
        "warning",
        "",
        "An error came up while something was being cleaned away; it had no effect.",
        "Nothing; mention it when you report a fault.",
    ),
    # the process
    _event("worker.stopping", "info", "signal", "The process was asked to end, and finishes what is in hand."),
    _event(
        "worker.left_in_hand",
        "error",
        "count",
        "The process ends while handlers are still at work; their messages are tried again, one at a time.",
        "Find out what the handler waits for; give it a longer `work.grace`, or a timeout of its own.",
    ),
    _event(
        "worker.end_unsettled",
        "warning",
        "error",
        "The process ends before all outcomes were shown in the mailbox; the next start does that.",
        "Nothing: the outcomes are in the journal.",
    ),
    _event(
        "worker.fault",
        "error",
        "",
        "A fault of the worker's own ended a poll. The mail is where it was; the worker goes on with a new connection.",
        "Nothing at once, if the next polls succeed. Report the frames in this line.",
    ),
    _event(
        "worker.not_ready",
        "error",
        "state advice",
        "No login may be made now, or the mailbox lacks what the settings name: the worker waits, or is halted.",
        "Do what `advice` says. Don't restart the worker: that changes nothing.",
    ),
    _event(
        "worker.paused",
        "warning",
        "since count words",
        "A person (`actor`) has paused the worker, for the reason in `words`: nothing is handed over. `count` messages "
        "have come since the last poll.",
        "`nhsmail-worker resume` when what it was paused for is done.",
    ),
    _event(
        "worker.still_paused",
        "error",
        "since count words",
        "The worker has been paused for longer than `alerts.paused_for`. `count` messages have come. Told each day.",
        "Ask `actor` whether the pause is still meant; then `nhsmail-worker resume`.",
    ),
    _event("worker.resumed", "info", "", "A person has ended the pause; work goes on."),
    _event("worker.recovered", "info", "trouble", "What kept the worker from its work is over."),
    _event("worker.started", "info", "account replica version", "The worker began to work on this account."),
    _event(
        "connection.clear_text",
        "warning",
        "setting",
        "allow_clear in this table lets what is sent to its server cross the network in clear text.",
        "Give that server TLS, then take allow_clear out. Until then whoever is on the way can read it and change it.",
    ),
    _event("worker.stopped", "info", "", "The process ended in order."),
    _event("lease.taken", "info", "", "This replica works on the mailbox from now on."),
    _event("lease.held_elsewhere", "info", "", "Another replica works on the mailbox; this one stands by."),
    _event(
        "message.released", "info", "", "A person said that a message on the junk path is clean; it is handled as such."
    ),
    _event("message.retried", "info", "", "A person asked for a dead letter to be tried again."),
    _event("mailbox.handled_deleted", "info", "count", "Mail handled long ago was deleted, as [settle] says."),
    _event(
        "mailbox.delete_refused",
        "warning",
        "folder count",
        "The server didn't let the worker delete handled mail from this folder, or has no such folder any more; it is "
        "asked again in an hour.",
        "Delete the mail by hand, or give the account the right to; where the folder is gone there is nothing to do.",
    ),
    _event(
        "copies.removal_announced",
        "warning",
        "handler days count next_at",
        "From this time on, the handler's copies of messages that are older than so many days are removed, as its "
        "remove_after says; a first look found so many of them (at most a hundred are counted).",
        "Nothing, if that is meant. Otherwise take remove_after out, or make it longer, before that time.",
    ),
    _event("copies.removed", "info", "handler count", "Old copies of messages were removed, as remove_after says."),
    _event(
        "copies.not_removed",
        "warning",
        "handler error count",
        "A handler couldn't look at its old copies or remove them; `refused`: the store doesn't let go of so many. "
        "They stay, and are tried again.",
        "See to its folder or store: the rights of the worker's user, a lock or a legal hold on the objects.",
    ),
    _event(
        "copies.left_alone",
        "warning",
        "handler count",
        "So many things lie among a handler's copies that aren't as it made them, so it removes none of them.",
        "Look at what was added to them or taken out, and remove by hand what isn't needed.",
    ),
    _event(
        "copies.versions_kept",
        "warning",
        "handler",
        "Old copies were removed from an object store that keeps earlier versions: what they held is still there.",
        "Have the store delete earlier versions: a lifecycle rule for noncurrent versions.",
    ),
    _event(
        "mailbox.size",
        "info",
        "bytes limit percent estimate days",
        "How full the mailbox is; told once a day, and when a warning is over. `days`: until it is full at the present "
        "rate; left out if it isn't growing, or nobody knows yet. `estimate`: the sum of the messages' sizes, as the "
        "server tells no quota.",
    ),
    _event(
        "mailbox.filling",
        "warning",
        "bytes limit percent estimate days advice",
        "The mailbox is filling: it has passed the first per cent of `mailbox.warn`. Told when that begins, and each "
        "day. When it is full, senders get their mail back.",
        "Do what `advice` says, before `days` are over.",
    ),
    _event(
        "mailbox.full",
        "error",
        "bytes limit percent estimate days advice",
        "The mailbox is full, or nearly: it has passed the second per cent of `mailbox.warn`. Told when that begins, "
        "and each day. From 100 per cent on, senders get their mail back, and it never reaches the worker.",
        "Free room today, as `advice` says. Then ask the senders for what came back to them.",
    ),
    _event("journal.compacted", "info", "count", "Rows of mail that is nowhere any more were reduced to their number."),
    # the login guard
    _event("login.attempt", "info", "kind remaining", "A credential goes to the server now; the attempt is counted."),
    _event("login.succeeded", "info", "kind outcome failures", "The login, and the first command after it, succeeded."),
    _event(
        "login.rejected",
        "warning",
        "kind outcome counts failures remaining cause",
        "A login attempt didn't succeed; `outcome` says how, `counts` whether it may have counted at the server, "
        "`cause` what most likely stands behind a refused token.",
        "Nothing at once: the worker waits, and says in login.cooling or login.halted what comes next.",
    ),
    _event(
        "login.cooling",
        "error",
        "reason failures remaining next_at advice",
        "The next login attempt waits, so that the account isn't locked. No mail is read meanwhile; none is lost.",
        "Do what `advice` says. A changed password in the password file is tried at the next look.",
    ),
    _event(
        "login.halted",
        "error",
        "reason failures remaining advice",
        "No login attempt is made until a person or a new credential changes things. No mail is read; none is lost.",
        "Do what `advice` says. Restarting the worker changes nothing.",
    ),
    _event(
        "login.refused",
        "error",
        "count advice",
        "The password breaks the password policy, so it can't be right: it was not sent, and no attempt was spent.",
        "Put the right password into the password file, or change the policy's name in [password].",
    ),
    _event(
        "login.reset",
        "warning",
        "",
        "A person said that the account is unlocked; the count of failures is 0 again.",
        "Make sure that the Local Administrator has really unlocked it: otherwise it may be locked again.",
    ),
    _event(
        "login.public_client",
        "warning",
        "advice",
        "A person signed in, and the application has no secret or certificate that counts: the sign-in ends when that "
        "person's password is changed.",
        "Plan a new sign-in for the day on which the password is changed, or give the application a secret.",
    ),
    _event(
        "password.expiring",
        "warning",
        "what days expires_at advice",
        "The password reaches its greatest age soon, or has reached it: then the server rejects it, or who signs in "
        "must change it.",
        "Do what `advice` says, before `expires_at`. With a public client plan a new sign-in with it.",
    ),
    _event(
        "credential.expiring",
        "warning",
        "what days expires_at advice",
        "The application's secret or certificate, or a sign-in that isn't used, expires soon or has expired; then the "
        "sign-in service refuses the worker.",
        "Do what `advice` says, before `expires_at`.",
    ),
    # the connection and the journal
    _event(
        "connection.lost",
        "warning",
        "error wait losses",
        "The connection to the mail server ended; mail in hand stays where it is, and the worker connects again.",
        "Nothing, unless it goes on: then look at the network and at the mail service's status. Waits grow until a "
        "connection has worked for five minutes.",
    ),
    _event(
        "idle.given_up",
        "warning",
        "losses wait",
        "The server, or a firewall before it, ended connections in IDLE, `losses` in a row. For `wait` seconds the "
        "worker goes without IDLE and looks for new mail each `poll.every`; then it tries IDLE again.",
        "Nothing: no mail is lost, and it comes at most `poll.every` later. If it goes on for days, set `idle = false` "
        "under `[poll]`.",
    ),
    _event("idle.resumed", "info", "", "IDLE ended well again after it was given up, so it is used as before."),
    _event(
        "journal.unavailable",
        "error",
        "reason advice",
        "The journal can't be read or written; `reason` says why. No login is made, and no mail is handed over or "
        "moved. The worker logs this once for each reason, and again each hour while it lasts.",
        "Do what `advice` says. The worker goes on by itself, and `worker.recovered` says so.",
    ),
    # polls and messages
    _event(
        "poll.done",
        "info",
        "new gone pending handled junk failed",
        "A poll found something to do, and did it. `pending` is the number of messages that wait after this poll; the "
        "other numbers are of this poll alone.",
    ),
    _event(
        "mailbox.header_not_shown",
        "warning",
        "count folder",
        "The server lists messages whose headers it doesn't give, or refuses to; they are looked at again.",
        "Nothing, unless it is the same number for an hour: then look at the folder with a mail program.",
    ),
    _event(
        "mailbox.header_suspects",
        "warning",
        "count alone",
        "The process died while it read the headers of new mail; each of them is now read alone. `alone` is 1 if there "
        "was only one, and nothing else in hand: then that death is counted.",
        "Nothing. If it comes again and again, look at memory limits.",
    ),
    _event(
        "mailbox.move_refused",
        "error",
        "count folder target reason",
        "The server refuses to move messages, and gives no reason that passes by itself. They stay where they are; "
        "their outcomes are in the journal, nothing is handled again, and other mail goes on. It is asked again later. "
        "With `reason` overquota the server says that the mailbox is full.",
        "If the mailbox is full, make room: see `mailbox.full`. Otherwise move one of them with a mail program: what "
        "that says is the reason. Once it can be moved, the worker does so by itself.",
    ),
    _event(
        "mailbox.unexplained",
        "warning",
        "folder count",
        "In the folder of handled mail lie messages that this worker didn't move there, and that nobody has "
        "acknowledged: `count` of them. Another worker, with another state folder, may be at work on the mailbox.",
        "Find the other worker and stop one of the two, because each spends login attempts of its own. If a person "
        'moved the mail: `nhsmail-worker reconcile --acknowledge --reason "…"`.',
    ),
    _event(
        "mailbox.uidvalidity_changed",
        "warning",
        "folder",
        "The server gave a folder's messages new numbers (UIDVALIDITY): each is recognised again by its headers. "
        "Nothing that was handled is handled again, and nothing new is passed over.",
        "Nothing, if the mailbox was moved or a folder replaced. Otherwise ask who did that.",
    ),
    _event(
        "mailbox.folder_replaced",
        "warning",
        "folder",
        "A folder is another one than before although it has the same UIDVALIDITY: its numbers went back, or another "
        "message lay at a message's number. What was handled is recognised by its headers, nothing new is passed over.",
        "Nothing, if the mailbox was moved or restored. Otherwise ask who did that.",
    ),
    _event(
        "mailbox.first_mail",
        "info",
        "count since",
        "The journal is empty, and the work begins: this much mail is about to be taken up, the oldest of it from this "
        "day. Mail older than `[poll] since` isn't counted, and mail in the junk folder is.",
        "Nothing.",
    ),
    _event(
        "mailbox.much_old_mail",
        "warning",
        "count since",
        "The same, with more than 1,000 messages, and `[poll] since` isn't set: all of them are handed over. Nobody "
        "could be asked, as `once` asks on a terminal.",
        "If the old mail isn't to be handled: `nhsmail-worker pause`, set `[poll] since`, restart, and resume.",
    ),
    _event(
        "mailbox.search_incomplete",
        "warning",
        "count folder",
        "The server's search left out messages that the folder holds; they were found by listing it.",
        "Nothing: the worker compares at each look.",
    ),
    _event(
        "message.suspects",
        "warning",
        "count alone",
        "The process had died with these messages in hand; they are tried again, those marked `alone` one at a time.",
        "Nothing. If it comes again and again, look at memory limits and at the handlers.",
    ),
    _event(
        "message.rejudged",
        "warning",
        "",
        "A message was seen again in a folder that changes its verdict: somebody, or the provider, had moved it. Or "
        "its own header changes it, which a placeholder had hidden.",
        "Nothing.",
    ),
    _event(
        "message.moved_out",
        "warning",
        "",
        "Junk was moved out of the junk folder, by a person or by the server, and [junk] moved_out says that this "
        "releases it: it is handled as clean.",
        "Nothing, if the move was meant; else set moved_out to judge.",
    ),
    _event(
        "junk.digest",
        "info",
        "junk new released known",
        "What lies in junk, as often as [junk] digest says.",
        "`nhsmail-worker junk list --known`: what comes from known senders is most likely there by mistake.",
    ),
    _event(
        "message.moved_back",
        "warning",
        "",
        "A message that was done lies in a watched folder again; it is settled again, not handled again.",
        "Nothing; to have it handled again, use `nhsmail-worker failed retry` or `junk release`.",
    ),
    _event(
        "message.other_content",
        "warning",
        "folder",
        "A message has the same headers as one that was handed over before, and other content. It is a message of its "
        "own, and is handled as such.",
        "Find out where it comes from, if it comes often: somebody may be imitating a sender.",
    ),
    _event(
        "message.known_by_headers",
        "warning",
        "count folder",
        "Messages that were done were found in another place by headers and size alone, because the journal doesn't "
        "know their content: an earlier version or `journal rebuild` entered them, or they were never fetched.",
        "Nothing, if they were moved there; else look at them: a copy with other content wouldn't be noticed.",
    ),
    _event(
        "message.gone",
        "warning",
        "count",
        "Messages that weren't done yet were taken away by somebody else.",
        "Find out who works in this mailbox, if that wasn't expected.",
    ),
    _event(
        "message.oversize",
        "error",
        "size",
        "A message is larger than `limits.message`; it became a dead letter without being fetched.",
        "`nhsmail-worker failed show KEY`; raise the limit if it should have been handled, then `failed retry KEY`.",
    ),
    _event(
        "message.poison",
        "error",
        "deaths",
        "The process died again and again with this message alone in hand; it became a dead letter.",
        "Look at it with a mail program. Report it with the handler's name; `failed retry KEY` once that is mended.",
    ),
    _event(
        "message.header_poison",
        "error",
        "folder",
        "The process died again and again while it read this message's header alone; it became a dead letter, unread.",
        "Look at it with a mail program, and report the fault. Once that is mended, move it into the inbox: it is then "
        "taken as new mail.",
    ),
    _event(
        "message.not_routed",
        "error",
        "",
        "No route could be found for a message because of an error; it is tried again, then becomes a dead letter.",
        "Report the frames in this line: it is a fault of the worker.",
    ),
    _event("message.done", "info", "outcome path route", "A message came to its outcome."),
    _event(
        "message.dead_letter",
        "error",
        "reason handler where errno",
        "The worker has given up on the message `key`. It keeps the message whole, in the folder for dead letters. "
        "`handler` failed with it at `where`, the line of its own code.",
        "`nhsmail-worker failed show KEY` says why, and what to do. Then `nhsmail-worker failed retry KEY`, or see to "
        "the message by hand.",
    ),
    _event(
        "message.retry",
        "warning",
        "reason next_at handler where errno",
        "A try at the message `key` failed. The worker tries it again at `next_at`. `handler` failed with it at "
        "`where`, the line of its own code.",
        "Nothing yet. If `reason` is the same for many messages, look at that handler and what it talks to.",
    ),
    _event(
        "message.held",
        "debug",
        "reason next_at",
        "A message waits, as its handler is paused or the process ends; no try of it is spent.",
    ),
    _event(
        "message.overtakes",
        "warning",
        "seconds",
        "A message was held by its sender's earlier mail for as long as `order_wait` or `order_retry_wait` allows, and "
        "is handed over before that mail. `seconds`: how long it was held.",
        "Nothing, if the receiving system takes a sender's mail out of order. Otherwise find the earlier mail by "
        "`message.retry`, and what its handler fails on.",
    ),
    _event(
        "message.makes_room",
        "warning",
        "count wait",
        "Messages that no handler has begun are put off, because calls with their senders' mail last long, and other "
        "senders' mail needs the memory. They are tried again after `wait` seconds, and no try of them is spent.",
        "Look at what the handlers talk to, and set a `time_limit` with `isolate`.",
    ),
    _event("handler.done", "debug", "seconds", "A handler returned."),
    _event(
        "handler.failed",
        "error",
        "error errno where",
        "A handler raised an error that is neither `Retry` nor `Reject`. `where` is the line of the handler's own "
        "code. `errno` is what the operating system says of the error.",
        "Put right what `errno` names. Otherwise give `where` and the frames to the handler's author. The worker tries "
        "the message again.",
    ),
    _event(
        "handler.overdue",
        "error",
        "seconds",
        "A handler is longer than its `time_limit` with one message, which isn't tried again before it returns. "
        "Another thread does the work of the one that it holds.",
        "Look at what the handler talks to, and give it a time-out of its own there; or set `isolate`, and what hangs "
        "is killed.",
    ),
    _event(
        "handler.paused",
        "error",
        "wait",
        "What a handler talks to is down: many different messages in a row failed that way. The handler isn't called "
        "for `wait` seconds; then one message is tried. Its mail waits, no try is spent, and other handlers' mail goes "
        "on.",
        "Look at what the handler talks to. It is called again by itself; a restart tries at once.",
    ),
    _event(
        "handler.not_built",
        "error",
        "error wait",
        "A handler can't be started, because what it talks to isn't there yet (`error`). It is tried again after "
        "`wait` seconds; its mail waits, no try is spent, and other handlers' mail goes on.",
        "Look at what the handler talks to. It is started by itself, and `handler.resumed` says so.",
    ),
    _event(
        "handler.not_ended",
        "warning",
        "count",
        "A process of an isolated handler was killed and is still there: it waits for a disk that doesn't answer, or "
        "the worker may not signal it. So many are left by now (`count`). It is taken away once it has ended; at four "
        "the handler is paused until one has.",
        "Look at the process (`ps`) and at what it waits for; root can end it.",
    ),
    _event("handler.resumed", "info", "", "A handler that was paused, or not built yet, works and has its mail."),
    _event(
        "handler.said",
        "info",
        "what values",
        "A handler logged a line with `message.log`. `what` is its author's name for it.",
    ),
    _event(
        "handler.log_refused",
        "warning",
        "where what",
        "A handler tried to log a line that isn't allowed, because it may quote the message. The line was dropped. The "
        "message isn't affected. `where` is the call. `what` is the part that is wrong: `event`, `name` or `value`; or "
        "there were `too-many` lines for one message. Each mistake is logged once.",
        "Tell the handler's author. The handler's tests find the mistake if they use `worker.testing`.",
    ),
    _event(
        "handler.printed",
        "warning",
        "bytes",
        "A handler wrote to standard output or error, so many bytes by now. They were dropped: they may be content or "
        "secrets. Told again when they are twice as many.",
        "Ask the handler's author to take the `print` out, or to log the key alone.",
    ),
    _event(
        "handler.threads",
        "warning",
        "count",
        "So many threads that a handler began are running. Told again when they are twice as many.",
        "Ask the handler's author whether it ends what it begins; `isolate` keeps it from the worker's own process.",
    ),
    _event(
        "handler.threads_left",
        "warning",
        "count",
        "The handler was closed, and threads that it began still run; they end with the process.",
        "Tell the handler's author: `close` is to end them.",
    ),
    _event(
        "handler.stuck",
        "error",
        "count",
        "Calls of handlers have not returned for longer than `health.stuck_after`; their messages wait, and other mail "
        "goes on. Told again whenever another call gets stuck.",
        "Look at what the handler talks to. When all of the pool is stuck, /livez fails and a restart helps.",
    ),
    # the audit trail
    _event(
        "audit.unavailable",
        "error",
        "advice",
        "A line of the audit trail could not be written. The journal still counts and records everything.",
        "See to the state folder: space, owner, mode. Note in your own records that the trail has a gap here.",
    ),
    _event(
        "audit.unanchored",
        "warning",
        "chain",
        "An audit line was written, but its place in the chain could not be recorded in the journal or by the witness.",
        "Look for trouble with the journal or the state folder. The next line that is anchored covers this one.",
    ),
    _event(
        "audit.repaired",
        "warning",
        "chain bytes",
        "The audit trail ended in half a line, left by a sudden stop; the half line was cut off and this was recorded.",
        "Nothing, if the machine or the process stopped suddenly before. Otherwise run `audit verify`.",
    ),
    _event(
        "audit.doubted",
        "warning",
        "chain reason",
        "The state folder or the journal was restored or copied since the last audit line, and the trail says so.",
        "Nothing, if you restored or moved it. Otherwise run `audit verify`, and compare the trail with its mirror.",
    ),
    _event(
        "audit.broken",
        "error",
        "chain reason",
        "The audit trail isn't as the worker left it: its end, its key or its witness is missing, or its head in the "
        "journal was forged. It goes on from what is known.",
        "Run `audit verify`, find out who had access to the state folder, and tell the information governance lead.",
    ),
    _event(
        "audit.mirror_failed",
        "warning",
        "",
        "An audit line was written to the trail, but its copy could not be sent on.",
        "Look at the syslog service. The trail itself is whole.",
    ),
    # probes, metrics and page
    _event("http.listening", "info", "host port", "Probes, metrics and the status page are served."),
    _event(
        "http.not_listening",
        "error",
        "host port",
        "The port of `health.listen` can't be had: there are no probes, no metrics and no page. The mail goes on.",
        "Find out what else uses the port (`ss -ltnp`), or set another one in [health] listen, and restart the worker.",
    ),
    _event(
        "http.failed",
        "error",
        "url_path",
        "A page of ours could not be made; the answer was 500.",
        "The mail goes on. Report the frames in this line.",
    ),
    _event(
        "http.status_unreadable",
        "warning",
        "",
        "The status could not be read from the journal; page and metrics show the last known one.",
        "Look for trouble with the journal.",
    ),
    # alerts
    _event("alert.sent", "info", "rule state sender", "An alert, or the end of one, was delivered."),
    _event(
        "alert.not_remembered",
        "warning",
        "",
        "What was told could not be recorded in the journal; after a restart it may be told again.",
        "Look for trouble with the journal.",
    ),
    _event(
        "alert.not_sent",
        "warning",
        "rule state sender status cause",
        "An alert could not be delivered this way; it is tried again, after longer and longer waits; the others go on.",
        "Run `nhsmail-worker alerts test`: it says what came back, and what to do. Meanwhile look at the status page "
        "yourself.",
    ),
    _event(
        "alert.not_encrypted",
        "warning",
        "sender",
        "The relay offers no STARTTLS, so the alert was not sent to it.",
        "Ask the relay's people to turn STARTTLS on, or accept clear text: `allow_clear = true` in [alerts.relay].",
    ),
    _event(
        "alert.partly_refused",
        "warning",
        "sender count status",
        "The server took an alert for some of those in `to`, and refused it for this many others.",
        "Look which of the addresses is wrong or gone. The alert isn't sent again.",
    ),
    _event(
        "alert.check_failed",
        "error",
        "",
        "A fault of the worker's own ended a check for alerts, or for the digest of junk; the next one comes.",
        "Look at the status page yourself meanwhile. Report the frames in this line.",
    ),
)

CATALOGUE: Final = {event.name: event for event in _EVENTS}


def markdown() -> str:
    """The catalogue as a page of the documentation."""
    head = (
        "# Events\n\nEvery line of the log has `at`, `level` and `event`; the fields of each event are listed with it. "
        "An error is given by its class and the lines of code it came through (`error`), never by its text. "
        "Fields that are not in this list, and values that don't have their field's form, are replaced by "
        "`<refused>` or named under `dropped`.\n"
    )
    parts = [head]
    parts += [_section(level) for level in (Level.ERROR, Level.WARNING, Level.INFO, Level.DEBUG)]
    named = {name for event in _EVENTS for name in event.fields} | CONTEXT
    rows = [f"| `{name}` | {FIELDS[name][1]} |" for name in sorted(named)]
    parts.append("## Fields\n\n| field | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(part for part in parts if part)


def _section(level: Level) -> str:
    events = sorted((event for event in _EVENTS if event.level is level), key=lambda event: event.name)
    if not events:
        return ""
    return f"## Level {level}\n\n" + "\n".join(_entry(event) for event in events)


def _entry(event: Event) -> str:
    fields = ", ".join(f"`{name}`" for name in sorted(event.fields))
    lines = [
        f"### `{event.name}`\n",
        event.meaning,
        f"\nWhat to do: {event.do}" if event.do else "",
        f"\nFields: {fields}." if fields else "",
    ]
    return "\n".join(line for line in lines if line) + "\n"
