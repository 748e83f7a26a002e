"""What comes from outside: which paths are opened as files, how their text is read, and how their words are shown."""
from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

MOST_TEXT = 2**22
"""Bytes of the largest text (JSON, TOML) that is read."""
MOST_SHOWN = 400
"""Characters of foreign words that a message shows."""

_KINDS = {
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFDIR: "folder",
}
_REASONS = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.ELOOP: "no such file, but links that lead back to themselves",
}


def unreadable(path: Path) -> str:
    """Why a path cannot be read as a file, in words; empty where it can. Nothing is opened."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError as error:
        return _REASONS.get(error.errno or 0, f"cannot be read ({error.strerror})")
    except ValueError:  # a zero byte
        return "no such file, for no file can have this name"
    if kind == stat.S_IFREG:
        return "" if os.access(path, os.R_OK) else "cannot be read (Permission denied)"
    return f"no such file, but a {_KINDS.get(kind, 'thing of another kind')}"


def is_there(path: Path) -> bool:
    """Whether anything is at a path, whatever its name; a link that leads nowhere is nothing."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def text_of(path: Path, most: int = MOST_TEXT) -> str:
    """The text of a file, of at most so many bytes.

    Raises ValueError with the reason in words: it cannot be read, is too long or is not in UTF-8.
    """
    told = unreadable(path)
    if told:
        raise ValueError(told)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    if len(content) > most:
        raise ValueError(f"longer than {most / 2**20:g} MiB")
    return content.decode("utf-8")


def json_of(text: str, *, strict: bool = False) -> Any:
    """What a JSON text says; `strict` refuses NaN and infinities, which JSON does not have.

    Raises ValueError with the reason in words, also for a key that an object has twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number if strict else None)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"it says {key!r} twice")
        found[key] = value
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


def visible(words: Any, most: int = MOST_SHOWN) -> str:
    """Words of a file or a name as one line without control characters: these are written as \\n, \\x1b and so on.

    More than `most` characters are cut out of the middle.
    """
    text = str(words)
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
