"""The site: these pages, and pages made of the examples, the cards and the files at the root."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).resolve().parent
ROOT: Final = DOCS.parent
MADE: Final = DOCS / "generated"

project = "formwright"
author = "The formwright developers"
release = metadata.version("formwright")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["figures"]
html_theme = "furo"
html_title = "formwright"
html_show_copyright = False
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
suppress_warnings = ["myst.header"]


def made_pages() -> Mapping[Path, Path]:
    """Return every file elsewhere in the repository that becomes a page, and the page."""
    folders = {
        "tutorials": ROOT / "examples",
        "data": ROOT / "datasets" / "cards",
        "models": ROOT / "surrogate" / "weights",
    }
    pages = {ROOT / f"{name}.md": MADE / f"{name}.md" for name in ("README", "CONTRIBUTING")}
    pages[ROOT / "CHANGELOG.md"] = MADE / "CHANGELOG.md"
    for room, folder in folders.items():
        for path in sorted(folder.glob("*.py" if room == "tutorials" else "*.md")):
            pages[path] = MADE / room / f"{path.stem}.md"
    return pages


def relinked(text: str, origin: Path, page: Path) -> str:
    """Return Markdown whose links to files hold where the page is.

    Args:
        text: Of the file.
        origin: Where the file is, to which its links are relative.
        page: Where the page is made of it.
    """
    pages = made_pages()

    def moved(found: re.Match[str]) -> str:
        file, mark, anchor = found.group(1).partition("#")
        target = (origin.parent / file).resolve()
        if not file or re.match(r"[a-z]+:", file) or not target.exists():
            return found.group()
        return f"]({os.path.relpath(pages.get(target, target), page.parent)}{mark}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", moved, text)


def markdown_of(path: Path) -> str:
    """Return a card as it is, or an example with its code in fences and a line on where it is."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    import jupytext

    text = jupytext.writes(jupytext.read(path, fmt="py:percent"), fmt="md")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return f"{text.strip()}\n\nThis page is `examples/{path.name}`, a script that runs as it is.\n"


def make_pages(*_: Any) -> None:
    """Write the pages that are made of other files."""
    shutil.rmtree(MADE, ignore_errors=True)
    for origin, page in made_pages().items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(relinked(markdown_of(origin), origin, page), encoding="utf-8")


def read_page(_: Any, name: str, source: list[str]) -> None:
    """Let the links of a page of this folder lead to the pages that are made."""
    if not name.startswith(MADE.name):
        page = DOCS / f"{name}.md"
        source[0] = relinked(source[0], page, page)


def setup(app: Any) -> None:
    """Make pages before any is looked for."""
    app.connect("builder-inited", make_pages)
    app.connect("source-read", read_page)
