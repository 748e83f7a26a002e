"""Spoiled files of every format through every reader: each is to end in a result or an own error.

python benchmarks/fuzz.py N [--seed S] [--first K] [--only FORMAT ...] [--keep FOLDER] tries the cases K to K + N - 1
of the seed S and counts results, lensfit's own errors, other exceptions, cases beyond 5 s of CPU (or 30 s asleep),
beyond 1 GiB more memory, nonsense (results whose numbers mean nothing) and crashes. Of each of the last five it prints
the command that repeats it; with --keep its files lie in FOLDER. Exit code 1 if there is any.

Cases run one after the other in a child process, CHUNK of them in each. One that ends the child is a crash; where its
memory was overwritten before, an earlier case may be to blame: repeat from the first of the chunk, which is told. With
LD_PRELOAD=libc_malloc_debug.so MALLOC_CHECK_=3 in the environment glibc tells sooner.
"""
from __future__ import annotations

import argparse
import collections
import faulthandler
import logging
import math
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from fuzz_mutations import mutated
from fuzz_seeds import seeds

from lensfit.datasets import Imaging, Interferometer
from lensfit.errors import LensfitError
from lensfit.fitters.result import FitResult
from lensfit.recipe import Recipe

CPU, ASLEEP = 5.0, 30.0
"""Seconds of CPU and of the clock after which a case counts as hanging."""
MEMORY = 2**20
"""KiB that a case may need beyond what the process has."""
CHUNK = 500
"""Cases that one child process tries."""
BAD = ("foreign", "hang", "memory", "nonsense", "crash")
RESULTS = ("result", "own error", *BAD)


class Hang(BaseException):
    """Raised in a case that takes too long; no reader catches it."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended, one of RESULTS, and what is told of it."""

    format: str
    kind: str
    told: str = ""


def formats(only: list[str] | None = None) -> list[str]:
    """The names of the formats that are tried in turn."""
    return [name for name in seeds() if not only or name in only]


def case(seed: int, number: int, folder: Path, only: list[str] | None = None) -> Outcome:
    """Write the files of one case into an empty folder, and read them."""
    names = formats(only)
    name = names[number % len(names)]
    random = np.random.default_rng([seed, number])
    others = [content for other in seeds().values() for content in other.files.values()]
    for file, content in mutated(seeds()[name].files, others, random).items():
        if isinstance(content, bytes):
            (folder / file).write_bytes(content)
        else:
            content(folder / file)
    return tried(name, folder)


def tried(name: str, folder: Path) -> Outcome:
    """What the reader of a format makes of a folder."""
    before = peak(reset=True)
    kind, told = "result", ""
    try:
        with Limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = nonsense(seeds()[name].read(folder))
            kind = "nonsense" if told else "result"
    except Hang:
        kind, told = "hang", traceback.format_exc(limit=-3)
    except LensfitError as error:
        kind, told = ("own error", str(error)) if str(error).isprintable() else ("nonsense", repr(str(error)))
    except Exception:
        kind, told = "foreign", traceback.format_exc(limit=-4)
    grown = peak() - before
    return Outcome(name, "memory", f"{grown / 2**20:.2f} GiB; {told}") if grown > MEMORY else Outcome(name, kind, told)


class Limited:
    """An alarm in this many seconds of CPU or asleep, by which `Hang` is raised."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGPROF, self._ring)
        signal.setitimer(signal.ITIMER_PROF, CPU)
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, ASLEEP)
        faulthandler.dump_traceback_later(20 * ASLEEP, exit=True)

    def __exit__(self, *_: object) -> None:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
        faulthandler.cancel_dump_traceback_later()

    @staticmethod
    def _ring(*_: object) -> None:
        raise Hang


def peak(reset: bool = False) -> int:
    """KiB of memory that the process had at most since the last reset; 0 where the system does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().split("\n")
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        return 0


def nonsense(made: Any) -> str:
    """What is meaningless in what a reader made, in words; empty where nothing is."""
    return next((told for told, wrong in _checks(made) if wrong), "")


def _checks(made: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(made, (tuple, list)):
        for one in made:
            yield from _checks(one)
    elif isinstance(made, Imaging):
        yield from _of_image(made)
    elif isinstance(made, Interferometer):
        yield from _of_visibilities(made)
    elif isinstance(made, FitResult):
        yield "theta is not finite", not np.isfinite(made.theta).all()
        yield "its sizes differ", len({len(made.names), len(made.theta), len(made.errors), len(made.covariance)}) > 1
    elif isinstance(made, Recipe) and made.model is not None:
        for sie in made.model.mass.values():
            numbers = [getattr(sie, name, 0.0) for name in ("e1", "e2", "einstein_radius")]
            e1, e2, radius = (number if isinstance(number, float) else 0.0 for number in numbers)
            yield f"e of {math.hypot(e1, e2)} or Einstein radius {radius}", math.hypot(e1, e2) >= 1 or radius < 0


def _of_image(made: Imaging) -> Iterator[tuple[str, bool]]:
    used = ~made.mask
    yield "no pixel is used", not used.any()
    for name in ("data", "noise", "psf"):
        yield f"{name} is not finite", not np.isfinite(getattr(made, name)).all()
    yield "noise is not positive", not (made.noise > 0).all()
    yield f"the PSF's sum is {made.psf.sum()}", not abs(made.psf.sum() - 1) < 1e-9
    yield "chi2 is not finite", not np.isfinite(np.sum((made.data[used] / made.noise[used]) ** 2))
    yield from _of_grid(made)
    yield f"pixel scale {made.pixel_scale}", not 1e-4 <= made.pixel_scale <= 100 and " and " not in made.scale_from


def _of_visibilities(made: Interferometer) -> Iterator[tuple[str, bool]]:
    rows = made.visibilities
    for name in ("u", "v", "values", "sigma_re", "sigma_im"):
        yield f"{name} is not finite", not np.isfinite(getattr(rows, name)).all()
    yield "noise is not positive", not (min(rows.sigma_re.min(), rows.sigma_im.min()) > 0)
    yield "chi2 is not finite", not np.isfinite(np.sum(np.abs(rows.values) ** 2 / rows.sigma_re**2))
    yield f"pixel scale {made.pixel_scale}", not 0 < made.pixel_scale <= made.nyquist * (1 + 1e-9)
    yield from _of_grid(made)


def _of_grid(made: Any) -> Iterator[tuple[str, bool]]:
    yield f"origin {made.origin}", not np.abs(made.origin).max() <= 1e5
    yield f"shape {made.shape}", not 1 <= made.shape[0] * made.shape[1] <= 2**27
    said = [text for row in made.describe() for text in row]
    yield f"control characters in {said}", not all(str(text).isprintable() for text in said)
    made.document()


def outcomes(seed: int, numbers: range, work: Path, only: list[str] | None) -> Iterator[tuple[int, Outcome]]:
    """How each case ended, their files in a folder by their number, which is emptied after each is taken."""
    names, waiting = formats(only), collections.deque(numbers)
    while waiting:
        first = waiting[0]
        with os.fdopen((pipe := os.pipe())[0], "rb") as told:
            child = os.fork()
            if not child:
                told.close()
                _chunk(seed, list(waiting)[:CHUNK], work, only, os.fdopen(pipe[1], "wb"))
            os.close(pipe[1])
            while waiting and (outcome := _next(told)) is not None:
                yield (number := waiting.popleft()), outcome
                shutil.rmtree(work / str(number))
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended and waiting:
            number = waiting.popleft()
            yield number, Outcome(names[number % len(names)], "crash", f"ended with {ended}; chunk from {first}")
            shutil.rmtree(work / str(number))


def _next(told: IO[bytes]) -> Outcome | None:
    try:
        return pickle.load(told)
    except EOFError:
        return None


def _chunk(seed: int, numbers: list[int], work: Path, only: list[str] | None, tell: IO[bytes]) -> None:
    """Try some cases and tell how each ended; the process ends with it."""
    code = 1
    try:
        os.chdir(work)
        for number in numbers:
            folder = work / str(number)
            folder.mkdir()
            pickle.dump(case(seed, number, folder, only), tell)
            tell.flush()
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> int:
    """Try the cases that are asked for, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(seeds()))
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    faulthandler.enable()
    logging.disable()
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in formats(asked.only)}
    seen: set[str] = set()
    work = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for number, outcome in outcomes(asked.seed, range(asked.first, asked.first + asked.number), work, asked.only):
            counts[outcome.format][outcome.kind] += 1
            if outcome.kind in BAD and outcome.told not in seen:
                seen.add(outcome.told)
                _tell(number, outcome, asked)
                if asked.keep:
                    shutil.copytree(work / str(number), asked.keep / str(number), symlinks=True, dirs_exist_ok=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{'':14}" + "".join(f"{kind:>11}" for kind in RESULTS))
    for name, row in [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]:
        print(f"{name:14}" + "".join(f"{row[kind]:11}" for kind in RESULTS))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of CPU")
    return int(any(row[kind] for row in counts.values() for kind in BAD))


def _tell(number: int, outcome: Outcome, asked: argparse.Namespace) -> None:
    """How a case that ended badly is repeated, and what is known of it."""
    only = ["--only", *asked.only] if asked.only else []
    again = " ".join([f"--seed {asked.seed} --first {number}", *only])
    print(f"{outcome.format} {outcome.kind}: python benchmarks/fuzz.py 1 {again}")
    print(f"  {outcome.told.strip()[-1500:]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
