"""Pages of the site for files that lie outside docs/: README and its like, the examples, citation and licence."""

import re
from pathlib import Path

FOLDER = "made"
"""Of docs/, ignored by git: pages that are made when the site is built."""

TEXTS = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Markdown that becomes a page as it is."""

SHOWN = {"CITATION.cff": ("citation.md", "Citation", "yaml"), "LICENSE": ("license.md", "Licence", "text")}
"""Files that become a page that shows them: name of the page, title, language."""

LANGUAGES = {".py": "python", ".toml": "toml"}
"""Of the examples, by the end of their names."""


def anchor_of(example: str) -> str:
    """The anchor of an example on its page, as that of a heading: `fit_image.py` -> `#fit_imagepy`."""
    return "#" + re.sub(r"[^\w\- ]", "", example.lower())


def place(target: Path) -> tuple[str, str]:
    """The made page for a path of the repository, and the anchor on it.

    Raises:
        ValueError: the site shows no such file.
    """
    name = target.as_posix()
    if name in TEXTS:
        return TEXTS[name], ""
    if name in SHOWN:
        return SHOWN[name][0], ""
    if name == "examples":
        return "examples.md", ""
    if target.parent.name == "examples" and target.suffix in LANGUAGES:
        return "examples.md", anchor_of(target.name)
    raise ValueError(f"a page links to {name}, which the site does not show; add it to docs/_site/outside.py")


def origin(page: str) -> str:
    """The file, relative to docs/, that a page of the site was made of: its links are relative to that."""
    texts = {f"{FOLDER}/{made}": f"../{name}" for name, made in TEXTS.items()}
    return texts.get(f"{page}.md", f"{page}.md")


def pages(docs: Path) -> dict[str, str]:
    """Name and text of each page that is made."""
    root = docs.parent
    made = {page: (root / name).read_text(encoding="utf-8") for name, page in TEXTS.items()}
    for name, (page, title, language) in SHOWN.items():
        made[page] = f"# {title}\n\n{_fenced((root / name).read_text(encoding='utf-8'), language)}"
    made["examples.md"] = _examples(root / "examples")
    return made


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````\n"


def _examples(folder: Path) -> str:
    """The page of all examples, scripts first."""
    files = sorted((p for p in folder.iterdir() if p.suffix in LANGUAGES), key=lambda p: (p.suffix, p.name))
    parts = [f"## {file.name}\n\n{_fenced(file.read_text(encoding='utf-8'), LANGUAGES[file.suffix])}" for file in files]
    head = "# Examples\n\nScripts and recipes of the folder `examples`, each run by a test as its first lines say.\n\n"
    return head + "\n".join(parts)
