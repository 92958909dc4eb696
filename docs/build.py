"""Build the documentation into ``build/docs``: the pages of this folder and the API reference."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final

from jinja2 import Template
from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / "build" / "docs"
FLOORS: Final = ("datasets", "surrogate", "design")
PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} - formwright</title>
<style>
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #676d75; --rule: #e2e2dd;
  --paper: #fdfdfc; --panel: #f4f4f1; --link: #1a5fb4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7e9; --soft: #9aa1aa; --rule: #30353c;
  --paper: #15181c; --panel: #1e2227; --link: #78b0ff; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 "Segoe UI", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; }
main, nav { max-width: 48rem; margin: 0 auto; padding: 0 1.5rem; }
nav { padding-top: 1.5rem; color: var(--soft); font-size: .9rem; }
nav a { margin-right: 1rem; }
main { padding-bottom: 4rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
pre { background: var(--panel); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
</style>
</head>
<body>
<nav>{% for name, link in links %}<a href="{{ link }}">{{ name }}</a>{% endfor %}</nav>
<main>{{ body }}</main>
</body>
</html>
""")


def pages() -> list[Path]:
    """Return the Markdown pages, those at the root of the repository too."""
    roots = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*sorted((ROOT / "docs").glob("*.md")), *roots]


def title_of(text: str) -> str:
    """Return the first heading of a page."""
    found = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    return found.group(1) if found else "formwright"


def build_pages() -> int:
    """Write every page as HTML; return how many."""
    markdown = MarkdownIt("commonmark").enable("table")
    sources = pages()
    titles = {path.stem: title_of(path.read_text(encoding="utf-8")) for path in sources}
    own = [path.stem for path in sources if path.parent.name == "docs" and path.stem != "index"]
    links = [("Contents", "index.html"), *((titles[stem], f"{stem}.html") for stem in own)]
    links.append(("Python interface", "api/formwright.html"))
    for path in sources:
        text = path.read_text(encoding="utf-8")
        body = re.sub(
            r'href="(?:docs/|\.\./)?([\w-]+)\.md', r'href="\1.html', markdown.render(text)
        )
        html = PAGE.render(title=titles[path.stem], links=links, body=body)
        (OUT / f"{path.stem}.html").write_text(html, encoding="utf-8")
    return len(sources)


def modules() -> list[str]:
    """Return every public module of the package."""
    found = ["formwright"]
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            found.append(".".join(("formwright", *path.relative_to(ROOT).with_suffix("").parts)))
    return found


def build_api() -> int:
    """Write the reference of every module; return how many modules."""
    import pdoc
    import pdoc.render

    names = modules()
    pdoc.render.configure(docformat="google", footer_text="formwright")
    pdoc.pdoc(*names, output_directory=OUT / "api")
    return len(names)


def main() -> int:
    """Build everything."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    print(f"{build_pages()} pages, {build_api()} modules: {OUT / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
