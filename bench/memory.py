"""The memory that one large message needs."""

import random
from dataclasses import asdict

from bench import mail
from bench.options import Options
from bench.process import once
from bench.report import MB, Report
from bench.site import Site


def measure(site: Site, report: Report, _options: Options) -> None:
    """Measure e for one message of 35 MB."""
    _, size = site.store("large", [mail.attachment(random.Random(35), 0, 25_540_000)])
    for attachments in (False, True):
        measured = once(site.workplace(site.mailbox("large"), attachments=attachments), 1)
        label = f"e  memory of one message of {size / MB:.0f} MB{', its attachment written' if attachments else ''}"
        memory = measured.memory / MB
        report.say(label, f"{memory:.0f} MB; {measured.wall:.2f} s", "< 450 MB", met=memory < 450)
        report.raw[f"large, attachments={attachments}"] = asdict(measured)
