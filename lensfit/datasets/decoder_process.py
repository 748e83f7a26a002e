"""Extensions whose decoder overwrites memory where what it is given is corrupt, read outside of the user's process.

One helper process for all files imports what is needed once, and forks for each extension a child that reads it: what
a child spoils ends with it.
"""
from __future__ import annotations

import atexit
import io
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import numpy as np

FRAGILE = ("HCOMPRESS_1", "PLIO_1")
"""Compressions with such a decoder in astropy."""
LONGEST = 60.0
"""Seconds that an extension may take."""
PROGRAM = """
import io, json, os, sys, warnings
import numpy
from astropy.io import fits
warnings.simplefilter("ignore")
def tell(number):
    sys.stdout.buffer.write(number.to_bytes(8, "big", signed=True))
for line in sys.stdin:
    path, number = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            with fits.open(path, memmap=False) as hdus:
                made = io.BytesIO()
                numpy.save(made, numpy.asarray(hdus[number].data))
            tell(made.tell())
            sys.stdout.buffer.write(made.getbuffer())
            sys.stdout.buffer.flush()
            code = 0
        finally:
            os._exit(code)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended:
        tell(-abs(ended))
        sys.stdout.buffer.flush()
"""
"""What the helper runs: a path and a number come in, the length of an array and the array go out; a number below zero
where the child did not end well."""


class Helper:
    """The helper process of this one, begun when it is first asked; one thread asks at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path, number: int) -> np.ndarray:
        """The numbers of an extension of a FITS file. Raises ValueError where its decoder does not end well."""
        with self.lock:
            process, late = self._running(), threading.Event()

            def end() -> None:
                late.set()
                os.killpg(process.pid, signal.SIGKILL)

            timer = threading.Timer(LONGEST, end)
            timer.start()
            try:
                size, content = _asked(process, json.dumps([str(path.absolute()), number]))
            finally:
                timer.cancel()
                timer.join()
            if size == 0:
                self.end()
        if content is None:
            raise ValueError(f"its decoder {'did not end in time' if late.is_set() else f'ended with {size}'}")
        return np.load(io.BytesIO(content), allow_pickle=False)

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, begun where it does not run."""
        if self.process is None or self.process.poll() is not None:
            self.end()
            command, pipe = [sys.executable, "-c", PROGRAM], subprocess.PIPE
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
            )
        return self.process

    def end(self) -> None:
        """End the process, if it runs."""
        if self.process is not None:
            process, self.process = self.process, None
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    cast("IO[bytes]", pipe).close()
            process.kill()
            process.wait()

    def forget(self) -> None:
        """Leave the process to the one that this was forked from."""
        if self.process is not None:
            self.process.returncode = 0  # its end is nothing to wait for
        self.process, self.lock = None, threading.Lock()


def _asked(process: subprocess.Popen[bytes], question: str) -> tuple[int, bytes | None]:
    """The length and the content of an answer, None where there is none; a length of 0 where the process ended."""
    asks, tells = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    try:
        asks.write(question.encode() + b"\n")
        asks.flush()
    except BrokenPipeError:
        return 0, None
    size = int.from_bytes(tells.read(8), "big", signed=True)
    if size <= 0:
        return size, None
    content = tells.read(size)
    return (size, content) if len(content) == size else (0, None)


HELPER = Helper()
os.register_at_fork(after_in_child=HELPER.forget)
atexit.register(HELPER.end)
