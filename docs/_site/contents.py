"""The contents of the site, read from the tables of its first page: a page is listed there, and nowhere else."""

import re

HEADING = re.compile(r"^## (.+)$", re.M)
ENTRY = re.compile(r"^\| \[[^\]]+\]\(([^)#]+)\.md\)", re.M)


def sections(text: str) -> dict[str, list[str]]:
    """Heading of each section of the first page -> the pages that its table lists."""
    _, *parts = HEADING.split(text)
    found = {title: ENTRY.findall(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}
    return {title: pages for title, pages in found.items() if pages}


def trees(text: str) -> str:
    """A hidden toctree for each section."""
    return "".join(
        "\n\n```{toctree}\n:hidden:\n:caption: " + title + "\n\n" + "\n".join(pages) + "\n```\n"
        for title, pages in sections(text).items()
    )
