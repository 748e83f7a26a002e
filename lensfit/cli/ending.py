"""The end of a command that does not come to its own: signals, and an output that is full or that nobody reads."""
from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Those that ask a process to end, beside Ctrl-C."""
BROKEN_PIPE = 128 + 13
"""Exit code where nobody reads the output any more, that of a process that SIGPIPE ends."""


class Unheard(Exception):
    """Standard output cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written ({error.strerror or error})")
        self.broken = isinstance(error, BrokenPipeError)


@contextmanager
def heeding_signals() -> Iterator[list[int]]:
    """The signals that asked to end, as a list that grows: each of them does what Ctrl-C does.

    One that is ignored, as SIGHUP under nohup, or has a handler already, stays as it is.
    """
    came: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        came.append(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # a shell's job in the background ignores Ctrl-C, and nothing else
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    main = threading.current_thread() is threading.main_thread()
    heeded = [number for number in SIGNALS if main and signal.getsignal(number) == signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, ask)
    try:
        yield came
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


def say(text: str) -> None:
    """Print on standard output. Raises Unheard where that cannot be."""
    try:
        print(text, flush=True)
    except OSError as error:
        raise Unheard(error) from error


def complain(message: str) -> None:
    """Print on standard error; where that cannot be there is nobody to be told."""
    try:
        print(f"lensfit: {message}", file=sys.stderr, flush=True)
    except OSError:
        _close(sys.stderr)


def flush_output() -> None:
    """Write out what argparse has printed. Raises Unheard where that cannot be."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise Unheard(error) from error


def unheard(error: Unheard) -> int:
    """The exit code of a command whose output was lost; what is still in its buffer goes nowhere."""
    _close(sys.stdout)
    if error.broken:
        return BROKEN_PIPE
    complain(str(error))
    return 3


def _close(stream: IO[str]) -> None:
    """Have Python flush the rest of a stream to nowhere when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
