"""What the provider changes in a message, and mail that is encrypted or signed."""

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

from worker.demo import sample_parts as parts
from worker.demo.samples.letter import LAB, OUTSIDE, Letter, Sample, attach, content, write

NOTICES = {
    "removed-attachment": "NHSmail detected and removed a file named (invoice.xlsm) from this message.",
    "banner-external": (
        "The message originated from outside of NHSmail. Please do not click links or open attachments unless you"
        " recognise the sender and know the content is safe."
    ),
    "banner-lookalike": (
        "This message was sent from an email address external to NHSmail but gives the appearance of being from an"
        " NHSmail (nhs.net) address."
    ),
    "unsafe-blocked": "Unsafe Attachments Blocked: this message had an attachment that was judged unsafe.",
}


def provider() -> Iterator[Sample]:
    """All samples of this file."""
    yield from _notices()
    yield from _protected()


def _notices() -> Iterator[Sample]:
    for name, notice in NOTICES.items():
        letter = Letter(f"notice-{name}", "Monthly statement", OUTSIDE)
        text, html = f"{notice}\n\nThe statement is below.\n", f"<p>{notice}</p><p>The statement is below.</p>"
        yield Sample(letter.name, "Provider's notices", write(letter, content(text, html)))
    footer = f"The statement is below.\n\n{NOTICES['banner-external']}\n"
    yield Sample("notice-at-foot", "Provider's notices", write(Letter("notice-at-foot", "Statement"), footer))
    malware = attach(
        content("See the attachment.\n"),
        b"Malware was detected in one or more attachments included with this email message.\r\n",
        "text/plain",
        "Malware Alert Text.txt",
    )
    letter = Letter("notice-malware-text", "Statement")
    yield Sample(letter.name, "Provider's notices", write(letter, malware))


def _protected() -> Iterator[Sample]:
    group = "Encrypted or signed"
    for name, kind, oid in (("smime-encrypted", "enveloped-data", 3), ("smime-opaque", "signed-data", 2)):
        letter = Letter(name, f"Confidential report ({kind})", LAB)
        yield Sample(name, group, write(letter, _smime(kind, parts.cms(oid))))

    yield Sample("smime-signed", group, write(Letter("smime-signed", "Signed report", LAB), _signed()))

    rpmsg = content("This message is protected. Open it with a program that supports rights management.\n")
    attach(rpmsg, parts.noise(700, "rpmsg"), "application/x-microsoft-rpmsg-message", "message.rpmsg")
    rpmsg_letter = Letter("rpmsg", "Protected report", after=(("Content-Class", "rpmsg.message"),))
    yield Sample("rpmsg", group, write(rpmsg_letter, rpmsg))

    yield Sample("pgp-encrypted", group, write(Letter("pgp-encrypted", "Report", LAB), _pgp()))


def _smime(kind: str, data: bytes) -> EmailMessage:
    body = EmailMessage(policy=SMTP)
    body.set_content(
        data,
        maintype="application",
        subtype="pkcs7-mime",
        filename="smime.p7m",
        params={"smime-type": kind, "name": "smime.p7m"},
    )
    return body


def _signed() -> EmailMessage:
    body = _multipart("signed", protocol="application/pkcs7-signature", micalg="sha-256")
    body.attach(content("The text is readable; the signature is beside it.\n"))
    mark = EmailMessage(policy=SMTP)
    mark.set_content(parts.cms(2, 400), maintype="application", subtype="pkcs7-signature", filename="smime.p7s")
    body.attach(mark)
    return body


def _pgp() -> EmailMessage:
    body = _multipart("encrypted", protocol="application/pgp-encrypted")
    version, data = EmailMessage(policy=SMTP), EmailMessage(policy=SMTP)
    version.set_content(b"Version: 1\r\n", maintype="application", subtype="pgp-encrypted", cte="7bit")
    armour = b"-----BEGIN PGP MESSAGE-----\r\n\r\nZGVtbw==\r\n-----END PGP MESSAGE-----\r\n"
    data.set_content(armour, maintype="application", subtype="octet-stream", filename="encrypted.asc", cte="7bit")
    body.attach(version)
    body.attach(data)
    return body


def _multipart(kind: str, **parameters: str) -> EmailMessage:
    body = EmailMessage(policy=SMTP)
    body.add_header("Content-Type", f"multipart/{kind}", **parameters)
    body.set_payload([])
    return body
