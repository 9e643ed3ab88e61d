"""What other programs need for the same mailbox, next to the raw fetch. Those not installed are left out."""

from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from bench import mail
from bench.options import Options
from bench.peer_programs import Peer, peers
from bench.process import Measured, once, raw_fetch
from bench.report import MB, Report, Spread, console
from bench.site import Site, free

_STORE = "peers"
_OWN = {"`once`, archive without attachments": False, "`once`, archive with attachments": True}


def measure(site: Site, report: Report, options: Options) -> None:
    """Measure j, in alternating rounds."""
    count, size = site.store(_STORE, mail.messages(options.messages))
    programs = peers()
    once(site.workplace(site.mailbox()))  # warm up
    fetches: list[float] = []
    runs: dict[str, list[Measured]] = {}
    with console.status("peers") as status:
        for number in range(1, options.rounds + 1):
            status.update(f"peers, round {number} of {options.rounds}")
            fetches.append(raw_fetch(site.mailbox(_STORE)).wall)
            for name, attachments in _OWN.items():
                place = site.workplace(site.mailbox(_STORE), attachments=attachments)
                runs.setdefault(name, []).append(once(place, count))
            for peer in programs:
                if not peer.absent:
                    runs.setdefault(peer.name, []).append(_taken(site, count, peer))
    title = f"j  peers, {count:,} messages, {size / MB:.0f} MB: raw fetch"
    report.say(title, f"{median(fetches):.2f} s; medians (least–greatest)")
    for name in _OWN:
        _say(report, name, runs[name], fetches)
    for peer in programs:
        if peer.absent:
            report.say(f"   {peer.name}", f"absent: {peer.absent}")
        else:
            _say(report, peer.name, runs[peer.name], fetches)
    report.raw["peers"] = {name: [asdict(one) for one in measured] for name, measured in runs.items()}
    report.raw["peers, raw fetch"] = fetches


def _say(report: Report, name: str, measured: list[Measured], fetches: list[float]) -> None:
    ratio = Spread.ratio([one.wall for one in measured], fetches)
    wall, cpu = median(one.wall for one in measured), median(one.cpu for one in measured)
    memory = max(one.memory for one in measured) / MB
    report.say(f"   {name}", f"{wall:.2f} s = {ratio} × raw fetch; {cpu:.2f} s of CPU; {memory:.0f} MB")


def _taken(site: Site, count: int, peer: Peer) -> Measured:
    folder = Path(mkdtemp(prefix="peer-", dir=site.root))
    measured, taken = peer.take(site.mailbox(_STORE), folder)
    free(folder)
    if taken != count:
        raise RuntimeError(f"{peer.name}: took {taken} of {count} messages")
    return measured
