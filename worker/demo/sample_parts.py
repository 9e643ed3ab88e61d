"""Generates the files attached to the sample mail: small, valid, and without personal data."""

import hashlib
import io
import struct
import zipfile
import zlib


def pdf(text: str) -> bytes:
    """A one-page PDF with one line of text (ASCII, no brackets)."""
    page = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def png(width: int = 16, height: int = 16, rgb: tuple[int, int, int] = (0, 94, 184)) -> bytes:
    """A one-colour PNG image."""
    rows = (b"\x00" + bytes(rgb) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def csv(rows: int) -> bytes:
    """Invented stock levels, with CRLF line ends and a byte-order mark, as spreadsheets write them."""
    lines = ["item,location,quantity"]
    lines += [f"TUBE-{row:04d},STORE-{row % 5},{row * 7 % 90}" for row in range(rows)]
    return b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive with the same bytes every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 11, 2, 8, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def docx(text: str) -> bytes:
    """A Word document of one paragraph."""
    kinds = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    return zipped(
        {
            "[Content_Types].xml": (
                f'{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f'<Override PartName="/word/document.xml" ContentType="{kinds}"/></Types>'
            ).encode(),
            "_rels/.rels": (
                f'{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="rId1" Type="{relation}" Target="word/document.xml"/></Relationships>'
            ).encode(),
            "word/document.xml": (
                f'{head}<w:document xmlns:w="{word}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body>'
                "</w:document>"
            ).encode(),
        }
    )


def tnef(body: str, filename: str, content: bytes) -> bytes:
    """A winmail.dat with a text body and one attachment (MS-OXTNEF: signature, key, then attributes)."""
    message, attachment = 1, 2
    attributes = [
        (message, 0x00089006, struct.pack("<I", 0x00010000)),  # attTnefVersion
        (message, 0x00069007, struct.pack("<II", 1252, 0)),  # attOemCodepage
        (message, 0x00078008, b"IPM.Microsoft Mail.Note\0"),  # attMessageClass
        (message, 0x0002800C, body.encode("cp1252") + b"\0"),  # attBody
        (attachment, 0x00069002, struct.pack("<HIHHI", 1, 0xFFFFFFFF, 0, 0, 0)),  # attAttachRendData: a file
        (attachment, 0x00018010, filename.encode("cp1252") + b"\0"),  # attAttachTitle
        (attachment, 0x0006800F, content),  # attAttachData
    ]
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(
        struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)
        for level, name, data in attributes
    )


def noise(length: int, seed: str = "") -> bytes:
    """Bytes that look random, the same every time."""
    return hashlib.shake_256(seed.encode()).digest(length)


def cms(kind: int, length: int = 900) -> bytes:
    """The outer layer of a CMS structure (RFC 5652) around noise. kind: 2 for signed data, 3 for enveloped data."""
    inside = _der(0x04, noise(length, f"cms-{kind}"))
    oid = _der(0x06, bytes.fromhex("2a864886f70d0107") + bytes([kind]))
    return _der(0x30, oid + _der(0xA0, inside))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
