"""How the fit of one lens ended, as plain data that a worker sends, its folder keeps and the ledger holds."""
from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Any

from lensfit.outside import json_of, text_of, unreadable
from lensfit.results.document import write_json

FILE, THUMBNAIL = "lens.json", "thumbnail.jpg"
"""Of a lens's folder: how its fit ended, and small panels of it."""
SCHEMA, VERSION = "lensfit.lens", 1
LONGEST = 2**24
"""Bytes of the longest such file."""


class State(StrEnum):
    """Of a lens in a survey."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one lens.

    Attributes:
        name, key: which lens, asked for how (see `Lens.key`).
        state: done or failed.
        reason: why it failed, empty where it did not.
        found: what was found, by the names of the table's columns (see `lensfit.survey.tables`); the same in every run
            with the same seed.
        cost: what it took, which is another in every run: CPU seconds, seconds, host.
    """

    name: str
    key: str
    state: State
    reason: str = ""
    found: dict[str, Any] = dataclasses.field(default_factory=dict)
    cost: dict[str, Any] = dataclasses.field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it into the folder of the lens."""
        write_json(folder / FILE, {"schema": SCHEMA, "version": VERSION} | vars(self))

    @classmethod
    def of(cls, folder: Path, key: str) -> Outcome | None:
        """That of a lens's folder, None where there is none that was asked for so."""
        path = folder / FILE
        if unreadable(path):
            return None
        try:
            content = json_of(text_of(path, LONGEST), strict=True)
            if (content.pop("schema"), content.pop("version"), content["key"]) != (SCHEMA, VERSION, key):
                return None
            return cls(**content | {"state": State(content["state"])})
        except (ValueError, KeyError, TypeError, AttributeError):  # no file of ours: it is fitted anew
            return None
