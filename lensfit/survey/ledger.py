"""The state of every lens of a survey, in one SQLite file that the client alone writes."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lensfit.errors import DataError
from lensfit.survey.outcome import Outcome, State

NAME = "ledger.sqlite"
VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lenses (
    name TEXT PRIMARY KEY, key TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', found TEXT NOT NULL DEFAULT '{}', cost TEXT NOT NULL DEFAULT '{}'
);
"""


class Ledger:
    """States by name. A lens that is not in it waits."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection, self.path = connection, path

    def check(self, settings: dict[str, Any]) -> None:
        """Raise DataError where an earlier run in this folder was with other settings; else keep them."""
        for name, value in ({"version": VERSION} | settings).items():
            said = json.dumps(value)
            row = self.connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != said:
                told = f"holds a run with {name} {row[0]}, and {said} is asked for"
                raise DataError(f"{self.path}: {told}; give the same, or choose another folder as --out")
            self.connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, said))
        self.connection.commit()

    def states(self) -> dict[str, tuple[str, State]]:
        """Key and state of every lens that is known, by name."""
        rows = self.connection.execute("SELECT name, key, state FROM lenses")
        return {name: (key, State(state)) for name, key, state in rows}

    def started(self, name: str, key: str) -> None:
        """A lens was handed to a worker."""
        self._write("INSERT INTO lenses (name, key, state) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
                    "key = excluded.key, state = excluded.state", (name, key, State.RUNNING))  # fmt: skip

    def crashed(self, name: str, reason: str) -> int:
        """A worker died with a lens, which waits again; how often that was so far."""
        self._write("UPDATE lenses SET tries = tries + 1, state = ?, reason = ? WHERE name = ?",
                    (State.WAITING, reason, name))  # fmt: skip
        return self.connection.execute("SELECT tries FROM lenses WHERE name = ?", (name,)).fetchone()[0]

    def waits(self, name: str) -> None:
        """A lens waits, as if nobody had taken it yet."""
        self._write("UPDATE lenses SET tries = 0, state = ?, reason = '' WHERE name = ?", (State.WAITING, name))

    def ended(self, outcome: Outcome) -> None:
        """A lens has come to its end."""
        values = (outcome.name, outcome.key, outcome.state, outcome.reason, json.dumps(outcome.found),
                  json.dumps(outcome.cost))  # fmt: skip
        self._write("INSERT INTO lenses (name, key, state, reason, found, cost) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT "
                    "(name) DO UPDATE SET key = excluded.key, state = excluded.state, reason = excluded.reason, "
                    "found = excluded.found, cost = excluded.cost", values)  # fmt: skip

    def outcomes(self, names: Iterable[str]) -> Iterator[Outcome]:
        """Of those lenses that have ended, one after the other."""
        for name in names:
            row = self.connection.execute(
                "SELECT name, key, state, reason, found, cost FROM lenses WHERE name = ? AND state IN (?, ?)",
                (name, State.DONE, State.FAILED),
            ).fetchone()
            if row is not None:
                name, key, state, reason, found, cost = row
                yield Outcome(name=name, key=key, state=State(state), reason=reason, found=json.loads(found),
                              cost=json.loads(cost))  # fmt: skip

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self.connection:
            self.connection.execute(statement, values)


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """The ledger of a folder that this process holds.

    Raises:
        DataError: it is damaged, or cannot be written.
    """
    path = folder / NAME
    try:
        connection = sqlite3.connect(path)
        try:
            connection.executescript(_TABLES)
            yield Ledger(connection, path)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        remedy = "make room, or, if it is damaged, remove it: it is made again from the folders of the lenses"
        raise DataError(f"{path}: cannot be used ({error}); {remedy}") from error
