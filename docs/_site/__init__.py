"""What the site has beside the pages of docs/: the files around them, the examples, the reference, the contents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from _site import contents, docstrings, links, outside, reference

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _write(app: Sphinx) -> None:
    """Write the pages that are made, each only if it changed, and take away those that are made no more."""
    folder = Path(app.srcdir) / outside.FOLDER
    pages = {**outside.pages(Path(app.srcdir)), **reference.pages(Path(app.srcdir))}
    for old in set(folder.rglob("*.md")) - {folder / name for name in pages}:
        old.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    """Lead links of a page to what the site has in their place, and give two pages what is made for them."""
    source[0] = links.led(source[0], page, Path(app.srcdir))
    if page == "index":
        source[0] += contents.trees(source[0])
    if page == "python":
        source[0] += reference.tables(Path(app.srcdir))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write, priority=100)
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", docstrings.plain, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", docstrings.readable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
