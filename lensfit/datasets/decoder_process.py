"""Extensions whose decoder overwrites memory where what it is given is corrupt, read by a process of its own."""
from __future__ import annotations

import io
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
import io, sys, warnings
import numpy
from astropy.io import fits
warnings.simplefilter("ignore")
with fits.open(sys.argv[1], memmap=False) as hdus:
    for line in sys.stdin:
        made = io.BytesIO()
        numpy.save(made, numpy.asarray(hdus[int(line)].data))
        sys.stdout.buffer.write(made.tell().to_bytes(8, "big"))
        sys.stdout.buffer.write(made.getbuffer())
        sys.stdout.buffer.flush()
"""
"""What it runs: numbers of extensions come in, arrays go out, each after its length. It ends where anything fails."""


class DecoderProcess:
    """One process that reads the fragile extensions of one file, begun when the first is asked for."""

    def __init__(self, path: Path):
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, number: int) -> np.ndarray:
        """The numbers of an extension. Raises ValueError where the process does not give them."""
        if self._process is None:
            command = [sys.executable, "-c", PROGRAM, str(self.path)]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        process, late = self._process, threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(LONGEST, end)
        timer.start()
        try:
            content = _asked(cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout), number)
        finally:
            timer.cancel()
        if content is None:
            ended = self.close()
            raise ValueError(f"its decoder {'did not end in time' if late.is_set() else f'ended with {ended}'}")
        return np.load(io.BytesIO(content), allow_pickle=False)

    def close(self) -> int:
        """End the process, if it runs; its exit code."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        with process:
            if process.stdin is not None:
                with suppress(BrokenPipeError):  # it has ended, and never read the last number
                    process.stdin.close()
            try:
                return process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()


def _asked(asks: IO[bytes], tells: IO[bytes], number: int) -> bytes | None:
    """The answer to a number, None where the process ended."""
    try:
        asks.write(f"{number}\n".encode())
        asks.flush()
    except BrokenPipeError:
        return None
    size = int.from_bytes(tells.read(8), "big")
    content = tells.read(size)
    return content if size and len(content) == size else None
