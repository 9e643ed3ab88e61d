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
        "Something was logged under a name that isn't in the catalogue. Its text was dropped.",
        "Nothing is wrong with the mail. Report it: it is a fault in the worker.",
    ),
    _event(
        "library.warning",
        "warning",
        "library where template",
        "A library that the worker uses logged a warning. Only its place in the source is kept.",
        "Nothing, unless it comes often and together with other trouble.",
    ),
    _event(
        "library.error",
        "error",
        "library where template",
        "A library that the worker uses logged an error. Only its place in the source is kept.",
        "Look at the worker's own events around it. They say what it means for the mail.",
    ),
    _event(
        "python.warning",
        "warning",
        "category where",
        "Python warned about a piece of code. Its text was dropped.",
        "Nothing now. Mention it when you report a fault.",
    ),
    _event(
        "worker.crashed",
        "error",
        "",
        "The process ends because of an error that nothing caught. No message is lost.",
        "Let it restart. If it happens again, report the frames in this line.",
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
        "An error occurred during a clean-up. It had no effect.",
        "Nothing. Mention it when you report a fault.",
    ),
    # the process
    _event(
        "worker.stopping",
        "info",
        "signal",
        "The process was asked to end. It finishes the messages that are being handled.",
    ),
    _event(
        "worker.left_in_hand",
        "error",
        "count keys",
        "The process ends while handlers are still at work. Their messages are tried again, one at a time.",
        "Find out what the handler waits for. Set a longer `work.grace`, or give the handler a timeout.",
    ),
    _event(
        "worker.end_unsettled",
        "warning",
        "error",
        "The process ends before it moved all finished messages. The next start moves them.",
        "Nothing: the outcomes are in the journal.",
    ),
    _event(
        "worker.fault",
        "error",
        "",
        "A fault in the worker ended a poll. The mail is where it was. The worker continues with a new connection.",
        "If the next polls succeed, nothing at once. Report the frames in this line.",
    ),
    _event(
        "worker.not_ready",
        "error",
        "state advice",
        "The worker can't log in now, or the mailbox lacks a folder that the settings name. The worker waits, or is "
        "halted.",
        "Do what `advice` says. Don't restart the worker: that changes nothing.",
    ),
    _event(
        "worker.paused",
        "warning",
        "since count words",
        "A person (`actor`) has paused the worker, for the reason in `words`. It hands nothing to handlers. Since "
        "the last poll, `count` messages have arrived.",
        "Run `nhsmail-worker resume` when the reason for the pause is over.",
    ),
    _event(
        "worker.still_paused",
        "error",
        "since count words",
        "The worker has been paused for longer than `alerts.paused_for`. `count` messages have arrived. Repeated "
        "each day.",
        "Ask `actor` whether the pause is still needed. If not, run `nhsmail-worker resume`.",
    ),
    _event("worker.resumed", "info", "", "A person has ended the pause. Work continues."),
    _event("worker.recovered", "info", "trouble", "The trouble that stopped the worker is over."),
    _event("worker.started", "info", "account replica version", "The worker started on this account."),
    _event(
        "connection.clear_text",
        "warning",
        "setting",
        "Because of allow_clear in this table, data for its server crosses the network in clear text.",
        "Turn on TLS at that server, then remove allow_clear. Until then anybody on the network path can read and "
        "change the data.",
    ),
    _event("worker.stopped", "info", "", "The process ended normally."),
    _event("lease.taken", "info", "", "This replica works on the mailbox from now on."),
    _event("lease.held_elsewhere", "info", "", "Another replica works on the mailbox. This one stands by."),
    _event("message.released", "info", "", "A person released a message from junk. It is handled as clean."),
    _event("message.retried", "info", "", "A person asked the worker to try a dead letter again."),
    _event(
        "mailbox.handled_deleted",
        "info",
        "count",
        "The worker deleted old handled mail, because [settle] delete_handled_after is set.",
    ),
    _event(
        "message.handled_again",
        "info",
        "redelivery",
        "A person asked for a message to be handled again. Its handlers get it with this count.",
    ),
    _event(
        "message.not_there",
        "warning",
        "folder",
        "A person asked for a message to be handled again, but it is no longer where the worker left it.",
        "Move it back into this folder with a mail program. Then run `nhsmail-worker handle` again.",
    ),
    _event(
        "mailbox.delete_refused",
        "warning",
        "folder count",
        "The server refused to delete handled mail from this folder, or the folder no longer exists. The worker "
        "asks again in an hour.",
        "Delete the mail by hand, or give the account the right to delete it. If the folder is gone, nothing.",
    ),
    _event(
        "copies.removal_announced",
        "warning",
        "handler days count next_at",
        "From `next_at` on, the handler removes its copies of messages that are older than `days`, because its "
        "remove_after says so. A first look found `count` of them (it counts no more than a hundred).",
        "Nothing, if that is intended. Otherwise remove remove_after, or make it longer, before that time.",
    ),
    _event(
        "copies.removed",
        "info",
        "handler count",
        "A handler removed old copies of messages, because its remove_after says so.",
    ),
    _event(
        "copies.not_removed",
        "warning",
        "handler error count",
        "A handler couldn't read or remove its old copies. With `refused`, the store refused to remove `count` of "
        "them. They stay, and the handler tries again.",
        "Check its folder or store: the rights of the worker's user, or a lock or a legal hold on the objects.",
    ),
    _event(
        "copies.left_alone",
        "warning",
        "handler count",
        "Among a handler's copies, `count` entries aren't as the handler made them. It removes none of these.",
        "Check what was added or removed there, and remove by hand what nobody needs.",
    ),
    _event(
        "copies.versions_kept",
        "warning",
        "handler",
        "Old copies were removed from an object store that keeps earlier versions. Their content is still there.",
        "Set a lifecycle rule in the store that deletes noncurrent versions.",
    ),
    _event(
        "mailbox.size",
        "info",
        "bytes limit percent estimate days",
        "How full the mailbox is, once a day, and when a warning is over. `days`: the days until it is full at the "
        "present rate, left out if it isn't growing or the rate isn't known yet. `estimate`: the server gives no "
        "quota, so the worker added up the sizes of the messages.",
    ),
    _event(
        "mailbox.filling",
        "warning",
        "bytes limit percent estimate days advice",
        "The mailbox is filling: it has passed the first percentage of `mailbox.warn`. Logged when that begins, and "
        "then each day. When the mailbox is full, senders get their mail back.",
        "Do what `advice` says before `days` are over.",
    ),
    _event(
        "mailbox.full",
        "error",
        "bytes limit percent estimate days advice",
        "The mailbox is full, or nearly full: it has passed the second percentage of `mailbox.warn`. Logged when "
        "that begins, and then each day. At 100 per cent, senders get their mail back, and it never reaches "
        "the worker.",
        "Make room today, as `advice` says. Then ask the senders to send again what came back to them.",
    ),
    _event(
        "journal.compacted",
        "info",
        "count",
        "The journal replaced rows of mail that is no longer in any folder with a count.",
    ),
    # the login guard
    _event(
        "login.attempt",
        "info",
        "kind remaining",
        "The worker sends a credential to the server now. The attempt is counted.",
    ),
    _event("login.succeeded", "info", "kind outcome failures", "The login, and the first command after it, succeeded."),
    _event(
        "login.rejected",
        "warning",
        "kind outcome counts failures remaining cause",
        "A login attempt failed. `outcome` says how, `counts` says whether the server may have counted it, and "
        "`cause` says why a token was most likely refused.",
        "Nothing at once. The worker waits, and says in login.cooling or login.halted what comes next.",
    ),
    _event(
        "login.cooling",
        "error",
        "reason failures remaining next_at advice",
        "The next login attempt waits, so that the account isn't locked. No mail is read meanwhile. None is lost.",
        "Do what `advice` or `nhsmail-worker login status` says. A changed password in the password file is tried at "
        "the next look.",
    ),
    _event(
        "login.halted",
        "error",
        "reason failures remaining advice",
        "The worker doesn't log in until a person acts or the credential changes. No mail is read. None is lost.",
        "Do what `advice` or `nhsmail-worker login status` says. Restarting the worker changes nothing.",
    ),
    _event(
        "login.refused",
        "error",
        "count advice",
        "The password breaks the password policy, so it can't be right. It was not sent, and no attempt was spent.",
        "Put the right password into the password file, or change the policy's name in [password].",
    ),
    _event(
        "login.reset",
        "warning",
        "",
        "A person said that the account is unlocked. The count of failures is 0 again.",
        "Make sure that the Local Administrator has really unlocked it. Otherwise it may be locked again.",
    ),
    _event(
        "login.public_client",
        "warning",
        "advice",
        "A person signed in, and the application has no secret or certificate for this flow. The sign-in ends when "
        "that person's password is changed.",
        "Plan a new sign-in for the day on which the password is changed, or give the application a secret.",
    ),
    _event(
        "password.expiring",
        "warning",
        "what days expires_at advice",
        "The password expires soon, or has expired. Then the server rejects it, or the account that signs in must "
        "change it.",
        "Do what `advice` says before `expires_at`. With a public client, plan a new sign-in for the same day.",
    ),
    _event(
        "credential.expiring",
        "warning",
        "what days expires_at advice",
        "The application's secret or certificate, or an unused sign-in, expires soon or has expired. Then the "
        "sign-in service refuses the worker.",
        "Do what `advice` says before `expires_at`.",
    ),
    # the connection and the journal
    _event(
        "connection.lost",
        "warning",
        "error errno wait losses",
        "The connection to the mail server ended, or none was made. `errno` is what the system says about it. "
        "Unfinished mail stays where it is, and the worker connects again after `wait` seconds.",
        "Nothing, unless it lasts. Then check `account.host` and `account.port`, the network, and the mail service's "
        "status. The waits grow until a connection has worked for five minutes.",
    ),
    _event(
        "idle.given_up",
        "warning",
        "losses wait",
        "The server, or a firewall, ended `losses` connections in a row during IDLE. For `wait` seconds the worker "
        "doesn't use IDLE, and looks for new mail each `poll.every`. Then it tries IDLE again.",
        "Nothing. No mail is lost, and it arrives at most `poll.every` later. If this lasts for days, set `idle = "
        "false` under `[poll]`.",
    ),
    _event("idle.resumed", "info", "", "IDLE works again, so the worker uses it as before."),
    _event(
        "journal.unavailable",
        "error",
        "reason advice",
        "The journal can't be read or written; `reason` says why. No login is made, and no mail is handed over or "
        "moved. The worker logs this once for each reason, and again each hour while it lasts.",
        "Do what `advice` says. The worker continues on its own, and logs `worker.recovered`.",
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
        "The server lists messages but doesn't give their headers. The worker asks again.",
        "Nothing, unless the number stays the same for an hour. Then open the folder with a mail program.",
    ),
    _event(
        "mailbox.header_suspects",
        "warning",
        "count alone",
        "The process died while it read the headers of new mail. Each header is now read on its own. `alone` is 1 "
        "if there was only one header, and no other message was being handled. Then the crash counts towards "
        "`limits.deaths`.",
        "Nothing. If it keeps happening, check the memory limits.",
    ),
    _event(
        "mailbox.move_refused",
        "error",
        "count folder target reason keys",
        "The server refuses to move messages, and its reason isn't temporary. They stay where they are. Their "
        "outcomes are in the journal, so nothing is handled twice. Other mail isn't affected. The worker asks again "
        "later. With `reason` overquota, the server says that the mailbox is full. With connection-lost, the "
        "connection ended when the message was moved alone.",
        "If the mailbox is full, make room: see `mailbox.full`. Otherwise move one of them with a mail program: its "
        "error message shows the reason. Once moving works, the worker moves the rest on its own.",
    ),
    _event(
        "mailbox.unexplained",
        "warning",
        "folder count",
        "The folder of handled mail holds `count` messages that this worker didn't move there and that nobody has "
        "acknowledged. Another worker, with another state folder, may be working on the mailbox.",
        "Find the other worker and stop one of the two, because each spends login attempts. If a person moved the "
        'mail, run `nhsmail-worker reconcile --acknowledge --reason "…"`.',
    ),
    _event(
        "mailbox.uidvalidity_changed",
        "warning",
        "folder",
        "The server gave a folder's messages new numbers (UIDVALIDITY). The worker recognises each message by its "
        "headers. It handles no message twice, and misses no new one.",
        "Nothing, if the mailbox was moved or a folder was replaced. Otherwise find out who did that.",
    ),
    _event(
        "mailbox.folder_replaced",
        "warning",
        "folder",
        "A folder was replaced although its UIDVALIDITY is the same: its numbers went back, or a number belongs to "
        "a different message. The worker recognises handled mail by its headers, and misses no new message.",
        "Nothing, if the mailbox was moved or restored. Otherwise find out who did that.",
    ),
    _event(
        "mailbox.first_mail",
        "info",
        "count since",
        "The journal is empty, and the work begins. The worker is about to handle this much mail, the oldest of it "
        "from this day. The count leaves out mail older than `[poll] since`, and includes mail in the junk folder.",
        "Nothing.",
    ),
    _event(
        "mailbox.much_old_mail",
        "warning",
        "count since",
        "As `mailbox.first_mail`, but there are more than 1,000 messages and `[poll] since` isn't set. The worker "
        "hands over all of them. It didn't ask, because no person was at a terminal.",
        "If the old mail should be left alone, run `nhsmail-worker pause`, set `[poll] since`, restart the worker, "
        "and run `nhsmail-worker resume`.",
    ),
    _event(
        "mailbox.search_incomplete",
        "warning",
        "count folder",
        "The server's search missed messages that are in the folder. The worker found them by listing the folder.",
        "Nothing. The worker compares the two at each poll.",
    ),
    _event(
        "message.suspects",
        "warning",
        "count alone keys",
        "The process died while it handled these messages. It tries them again, those marked `alone` one at a time.",
        "Nothing. If it keeps happening, check the memory limits and the handlers.",
    ),
    _event(
        "message.rejudged",
        "warning",
        "",
        "A message's verdict changed. Somebody, or the provider, moved it to another folder. Or its real header has "
        "arrived in place of a placeholder.",
        "Nothing.",
    ),
    _event(
        "message.moved_out",
        "warning",
        "",
        "A person or the server moved junk out of the junk folder. [junk] moved_out says that this releases it, so "
        "it is handled as clean.",
        "Nothing, if the move was intended. Otherwise set moved_out to judge.",
    ),
    _event(
        "junk.digest",
        "info",
        "junk new released known",
        "A count of the junk, as often as [junk] digest says.",
        "Run `nhsmail-worker junk list --known`. Junk from known senders is most likely there by mistake.",
    ),
    _event(
        "message.moved_back",
        "warning",
        "state",
        "The message `key` was done, and is in a watched folder again. The worker moves it out again and doesn't "
        "handle it again. `state` says what had become of it.",
        "Nothing, if it needn't be handled again. Otherwise `state` says how: for `failed` run "
        "`nhsmail-worker failed retry KEY`, for `junk` `nhsmail-worker junk release KEY --reason TEXT`, for `handled` "
        "`nhsmail-worker handle KEY --reason TEXT`.",
    ),
    _event(
        "message.other_content",
        "warning",
        "folder",
        "A message has the same headers as an earlier one, but different content. The worker handles it as a "
        "separate message.",
        "If it happens often, find out where the mail comes from. Somebody may be imitating a sender.",
    ),
    _event(
        "message.known_by_headers",
        "warning",
        "count folder",
        "The worker found finished messages in another place, and recognised them only by headers and size. The "
        "journal doesn't know their content: an earlier version or `journal rebuild` entered them, or they were "
        "never fetched.",
        "Nothing, if somebody moved them there. Otherwise look at them: the worker can't tell whether their content "
        "differs.",
    ),
    _event(
        "message.gone",
        "warning",
        "count keys",
        "Somebody moved or deleted messages that weren't finished yet.",
        "If you didn't expect that, find out who works in this mailbox.",
    ),
    _event(
        "message.oversize",
        "error",
        "size",
        "A message is larger than `limits.message`. It became a dead letter without being fetched.",
        "Run `nhsmail-worker failed show KEY`. If the message should be handled, raise the limit, then run "
        "`nhsmail-worker failed retry KEY`.",
    ),
    _event(
        "message.poison",
        "error",
        "deaths",
        "The process died again and again while it handled this message alone. The message became a dead letter.",
        "Look at it with a mail program. Report it with the handler's name. Once that is fixed, run `nhsmail-worker "
        "failed retry KEY`.",
    ),
    _event(
        "message.header_poison",
        "error",
        "folder",
        "The process died again and again while it read only this message's header. The message became a dead "
        "letter, unread.",
        "Look at it with a mail program, and report the fault. Once that is fixed, move the message into the inbox: "
        "the worker then takes it as new mail.",
    ),
    _event(
        "message.not_routed",
        "error",
        "",
        "An error kept the worker from finding a route for a message. It is tried again, then becomes a dead letter.",
        "Report the frames in this line. It is a fault in the worker.",
    ),
    _event("message.done", "info", "outcome path route", "A message has its outcome."),
    _event(
        "message.dead_letter",
        "error",
        "reason handler where errno",
        "The worker has given up on the message `key`. It keeps the message whole, in the folder for dead letters. "
        "`handler` failed with it at `where`, the line of its own code.",
        "`nhsmail-worker failed show KEY` says why, and what to do. Then `nhsmail-worker failed retry KEY`, or deal "
        "with the message by hand.",
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
        "A message waits because its handler is paused or the process is ending. This doesn't use up a try.",
    ),
    _event(
        "message.overtakes",
        "warning",
        "seconds",
        "A message waited for its sender's earlier mail for as long as `order_wait` or `order_retry_wait` allows. "
        "It is now handed over before that mail. `seconds`: how long it waited.",
        "Nothing, if the receiving system accepts a sender's mail out of order. Otherwise find the earlier mail in "
        "`message.retry`, and find out why its handler fails.",
    ),
    _event(
        "message.makes_room",
        "warning",
        "count wait",
        "The worker puts off messages that no handler has started. Calls with their senders' earlier mail take "
        "long, and other senders' mail needs the memory. They are tried again after `wait` seconds. This doesn't "
        "use up a try.",
        "Check the systems behind the handlers, and set a `time_limit` with `isolate`.",
    ),
    _event("handler.done", "debug", "handler seconds", "A handler returned."),
    _event(
        "handler.failed",
        "error",
        "handler error errno where",
        "A handler raised an error that is neither `Retry` nor `Reject`. `where` is the line of the handler's own "
        "code. `errno` is what the operating system says about the error.",
        "Fix what `errno` names. Otherwise give `where` and `error` to the handler's author. The worker tries the "
        "message again until its tries are spent. Then the message is a dead letter.",
    ),
    _event(
        "handler.overdue",
        "error",
        "handler key seconds",
        "A handler has taken longer than its `time_limit` with one message. The message isn't tried again before "
        "the handler returns. Another thread replaces the one that is blocked.",
        "Check the system behind the handler, and set a timeout in the handler. Or set `isolate`: then the worker "
        "kills a handler that hangs.",
    ),
    _event(
        "handler.paused",
        "error",
        "handler wait",
        "The system behind a handler is down: many different messages in a row failed that way. The handler isn't "
        "called for `wait` seconds, then the worker tries one message. Its mail waits without using up tries. Other "
        "handlers aren't affected.",
        "Check the system behind the handler. The worker calls the handler again on its own. A restart tries at once.",
    ),
    _event(
        "handler.not_built",
        "error",
        "handler error wait",
        "A handler can't start, because the system behind it isn't available yet (`error`). The worker tries again "
        "after `wait` seconds. The handler's mail waits without using up tries. Other handlers aren't affected.",
        "Check the system behind the handler. The worker starts the handler on its own, and logs `handler.resumed`.",
    ),
    _event(
        "handler.not_ended",
        "warning",
        "handler count",
        "A process of an isolated handler was killed but hasn't ended. It waits for a disk that doesn't answer, or "
        "the worker isn't allowed to signal it. `count` such processes are left. With four of them, the handler is "
        "paused until one has ended.",
        "Look at the process (`ps`) and find out what it waits for. The root user can end it.",
    ),
    _event(
        "handler.resumed", "info", "", "A handler that was paused, or couldn't start, works again and gets its mail."
    ),
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
        "A handler wrote to standard output or error, `bytes` in all. The worker dropped the text, because it may "
        "hold content or secrets. Logged again when the number has doubled.",
        "Ask the handler's author to remove the `print`, or to log only the key.",
    ),
    _event(
        "handler.threads",
        "warning",
        "handler count",
        "A handler has started `count` threads that are still running. Logged again when the number has doubled.",
        "Ask the handler's author whether the handler ends its threads. `isolate` keeps them out of the worker's "
        "own process.",
    ),
    _event(
        "handler.threads_left",
        "warning",
        "handler count",
        "The handler was closed, but `count` of its threads still run. They end with the process.",
        "Tell the handler's author: `close` should end them.",
    ),
    _event(
        "handler.stuck",
        "error",
        "count handler key",
        "Handler calls have not returned for longer than `health.stuck_after`. Their messages wait. Other mail "
        "isn't affected. Logged again whenever another call gets stuck.",
        "Check the system behind the handler. When the whole pool is stuck, /livez fails and a restart helps.",
    ),
    # the audit trail
    _event(
        "audit.unavailable",
        "error",
        "advice",
        "A line of the audit trail could not be written. The journal still counts and records everything.",
        "Check the state folder: space, owner, mode. Note in your own records that the trail has a gap here.",
    ),
    _event(
        "audit.unanchored",
        "warning",
        "chain",
        "An audit line was written, but its place in the chain could not be recorded in the journal or by the witness.",
        "Check the journal and the state folder. The next anchored line covers this one.",
    ),
    _event(
        "audit.repaired",
        "warning",
        "chain bytes",
        "The audit trail ended in half a line after a sudden stop. The worker cut off the half line and recorded that.",
        "Nothing, if the machine or the process stopped suddenly before. Otherwise run `nhsmail-worker audit verify`.",
    ),
    _event(
        "audit.doubted",
        "warning",
        "chain reason",
        "The state folder or the journal was restored or copied since the last audit line, and the trail says so.",
        "Nothing, if you restored or moved it. Otherwise run `nhsmail-worker audit verify`, and compare the trail "
        "with its mirror.",
    ),
    _event(
        "audit.broken",
        "error",
        "chain reason",
        "The audit trail isn't as the worker left it. Its end, its key or its witness is missing, or its head in "
        "the journal was forged. The trail continues from the last known line.",
        "Run `nhsmail-worker audit verify`, find out who had access to the state folder, and tell the information "
        "governance lead.",
    ),
    _event(
        "audit.mirror_failed",
        "warning",
        "",
        "An audit line was written to the trail, but its copy could not be sent on.",
        "Check the syslog service. The trail itself is complete.",
    ),
    # probes, metrics and page
    _event("http.listening", "info", "host port", "Probes, metrics and the status page are served."),
    _event(
        "http.not_listening",
        "error",
        "host port",
        "The worker can't listen on the port of `health.listen`. There are no probes, no metrics and no page. The "
        "mail isn't affected.",
        "Find out what else uses the port (`ss -ltnp`), or set another port in [health] listen. Then restart the "
        "worker.",
    ),
    _event(
        "http.failed",
        "error",
        "url_path",
        "The worker could not make one of its pages. It answered 500.",
        "The mail isn't affected. Report the frames in this line.",
    ),
    _event(
        "http.status_unreadable",
        "warning",
        "",
        "The status could not be read from the journal. The page and the metrics show the last known status.",
        "Check the journal.",
    ),
    # alerts
    _event("alert.sent", "info", "rule state sender", "An alert, or the end of one, was delivered."),
    _event(
        "alert.not_remembered",
        "warning",
        "",
        "The worker sent an alert but could not record that in the journal. After a restart it may send it again.",
        "Check the journal.",
    ),
    _event(
        "alert.not_sent",
        "warning",
        "rule state sender status cause",
        "An alert could not be delivered this way. The worker tries again, after longer and longer waits. Other "
        "ways for alerts aren't affected.",
        "Run `nhsmail-worker alerts test`: it shows the answer and what to do. Until then check the status page "
        "yourself.",
    ),
    _event(
        "alert.not_encrypted",
        "warning",
        "sender",
        "The relay offers no STARTTLS, so the alert was not sent to it.",
        "Ask the people who run the relay to turn STARTTLS on. Or accept clear text: set `allow_clear = true` in "
        "[alerts.relay].",
    ),
    _event(
        "alert.partly_refused",
        "warning",
        "sender count status",
        "The server accepted an alert for some of the addresses in `to`, and refused it for `count` others.",
        "Check which address is wrong or no longer exists. The alert isn't sent again.",
    ),
    _event(
        "alert.check_failed",
        "error",
        "",
        "A fault in the worker ended a check for alerts, or for the digest of junk. The next check comes as usual.",
        "Until then check the status page yourself. Report the frames in this line.",
    ),
)

CATALOGUE: Final = {event.name: event for event in _EVENTS}


def markdown() -> str:
    """The catalogue as a page of the documentation."""
    head = (
        "# Events\n\nEvery line of the log has `at`, `level` and `event`. Each event lists its own fields. An error "
        "is given by its class and the lines of code it came through (`error`), never by its text. Fields that are "
        "not in this list, and values that don't have their field's form, are replaced by `<refused>` or named "
        "under `dropped`.\n"
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
