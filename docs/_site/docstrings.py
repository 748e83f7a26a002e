"""Docstrings of lensfit, which are plain text, made ready for Sphinx: what they write is what a reader sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import lensfit

if TYPE_CHECKING:
    from sphinx.application import Sphinx

CODE = re.compile(r"(`[^`]*`)")
BARE = re.compile(r"`[a-z_]\w*`$")
"""A name of an argument or attribute: many classes may have one, and it leads nowhere unless it is public."""
MARKS = re.compile(r"([|*]|(?<=\w)_(?=\W|$))")
BLOCK = re.compile(r":\n((?: {4,}\S.*\n)+)")


def plain(app: Sphinx, kind: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Escape the marks of reStructuredText outside of code, before sections such as `Args:` are read.

    Indented lines of a module's docstring are formulas, each on a line of its own.
    """
    parts = CODE.split("\n".join(lines))
    parts[1::2] = [
        f"`{part}`" if BARE.match(part) and part[1:-1] not in lensfit.__all__ else part for part in parts[1::2]
    ]
    parts[::2] = [MARKS.sub(r"\\\1", part) for part in parts[::2]]
    text = "".join(parts)
    lines[:] = (BLOCK.sub(r"::\n\n\1\n", text) if kind == "module" else text).split("\n")


def readable(
    app: Sphinx, kind: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A signature that Python's grammar takes, so that Sphinx can lay it out: defaults that are made show as `...`."""
    return re.sub(r"<[^<>]*>", "...", signature) if signature else signature, returned
