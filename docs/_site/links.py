"""Links of the pages, as they are right on GitHub, led to the pages of the site."""

import os
import re
from pathlib import Path

from _site import outside

CODE = re.compile(r"^(`{3,}).*?^\1 *$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def led(text: str, page: str, docs: Path) -> str:
    """The text of a page with every link that leaves docs/ led to the page that stands for its target.

    Args:
        text: Markdown; what stands in fenced blocks stays as it is.
        page: its name below docs/, without the end.
        docs: the folder.

    Raises:
        ValueError: a link leads to a file that the site does not show.
    """
    home = (docs / outside.origin(page)).parent
    here = (docs / page).parent

    def place(match: re.Match[str]) -> str:
        target, anchor = Path(os.path.normpath(home / match[1])), match[2] or ""
        if not target.is_relative_to(docs):
            made, section = outside.place(target.relative_to(docs.parent))
            target, anchor = docs / outside.FOLDER / made, anchor or section
        return f"]({os.path.relpath(target, here)}{anchor})"

    parts, end = [], 0
    for block in CODE.finditer(text):
        parts += [LINK.sub(place, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, LINK.sub(place, text[end:])])
