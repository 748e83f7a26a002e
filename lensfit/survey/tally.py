"""How a survey goes on: lenses done, trusted and failed, lenses per hour, time left."""
from __future__ import annotations

import dataclasses
import sys
import time
from types import TracebackType
from typing import Protocol

from lensfit.survey.outcome import Outcome, State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of a survey so far.

    Attributes:
        total: lenses of the catalogue.
        done: those with a result; trusted: of these, those whose verdict is TRUSTED.
        failed: those without one.
        earlier: done or failed before this run began.
        seconds: since this run began.
        dashboard: address of dask's dashboard, empty where there is none.
    """

    total: int
    done: int = 0
    trusted: int = 0
    failed: int = 0
    earlier: int = 0
    seconds: float = 0.0
    dashboard: str = ""

    def after(self, outcome: Outcome) -> Tally:
        """With one more lens that has ended."""
        return dataclasses.replace(
            self,
            done=self.done + (outcome.state is State.DONE),
            trusted=self.trusted + (outcome.found.get("trusted") is True),
            failed=self.failed + (outcome.state is State.FAILED),
        )

    @property
    def ended(self) -> int:
        """Done or failed."""
        return self.done + self.failed

    @property
    def per_hour(self) -> float:
        """Lenses per hour of this run, 0 before the first."""
        return 3600 * (self.ended - self.earlier) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At this rate, None before the first."""
        return 3600 * (self.total - self.ended) / self.per_hour if self.per_hour > 0 else None

    def __str__(self) -> str:
        parts = [f"{self.ended} of {self.total} lenses", f"{self.trusted} trusted", f"{self.failed} failed"]
        if self.per_hour:
            parts.append(f"{self.per_hour:.0f} per hour")
        if self.seconds_left:
            parts.append(f"{_clock(self.seconds_left)} left")
        return ", ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class SurveyProgress(Protocol):
    """Is told how a survey goes on, whenever a lens has ended."""

    def __call__(self, tally: Tally) -> None:
        """The counts now."""
        ...


def unseen(tally: Tally) -> None:
    """Progress that nobody sees."""


class Lines:
    """Progress on standard error: one line that is written anew on a terminal, else one a minute."""

    EVERY = 60.0

    def __init__(self, quiet: bool = False) -> None:
        self.quiet, self.live, self.last, self.shown = quiet, sys.stderr.isatty(), -self.EVERY, 0
        self.told_dashboard = False

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live and self.shown:
            print(file=sys.stderr, flush=True)

    def __call__(self, tally: Tally) -> None:
        """See `SurveyProgress`."""
        if self.quiet:
            return
        if tally.dashboard and not self.told_dashboard:
            self.told_dashboard = True
            print(f"dask's dashboard: {tally.dashboard}", file=sys.stderr, flush=True)
        now, line = time.monotonic(), str(tally)
        if self.live:
            print(f"\r{line:<{self.shown}}", end="", file=sys.stderr, flush=True)
            self.shown = len(line)
        elif now - self.last >= self.EVERY:
            self.last = now
            print(line, file=sys.stderr, flush=True)
