"""Draws the documentation's Mermaid diagrams while the site is built. MkDocs calls this file, as mkdocs.yml says.

Each fence of the kind `mermaid` becomes a picture in the site. Readers need no script, and nothing comes from the
network: mermaidx (a development dependency) brings Mermaid and an engine to run it in. The diagram's `accTitle` and
`accDescr` become the picture's alternative text, so both are required.
"""

import re
from hashlib import sha256
from html import escape

import mermaidx  # type: ignore[import-untyped]  # it ships no types
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOOKS = {
    "theme": "neutral",
    "fontFamily": "sans-serif",
    "handDrawnSeed": 1,  # without a seed each build would differ
    "flowchart": {"wrappingWidth": 420, "rankSpacing": 32, "subGraphTitleMargin": {"top": 6, "bottom": 12}},
}


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace each diagram of a page by a picture, and add the picture to the site."""

    def picture(fence: re.Match[str]) -> str:
        source = fence[1]
        title, description = _described(source, page.file.src_uri)
        name = f"diagram-{sha256(source.encode()).hexdigest()[:12]}.svg"
        svg = mermaidx.render(source, backend="quickjs", config=LOOKS).svg()
        files.append(File.generated(config, name, content=svg))
        width = round(float(svg.partition('viewBox="')[2].split()[2]))
        alt = escape(f"{title}. {description}")
        return f'<img src="{name}" width="{width}" alt="{alt}" title="{escape(title)}">\n'

    return FENCE.sub(picture, markdown)


def _described(source: str, where: str) -> tuple[str, str]:
    found = [re.search(rf"^\s*{word}:\s*(\S.*)$", source, re.MULTILINE) for word in ("accTitle", "accDescr")]
    if None in found:
        raise ValueError(f"{where}: a diagram needs accTitle and accDescr, for readers who don't see it")
    title, description = (match[1].strip() for match in found if match)
    return title, description
