"""lensfit bench."""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

from lensfit.bench import curvature, w_tilde
from lensfit.bench.mock import Tracks, w_tilde_error
from lensfit.bench.rows import Row, measure, picture, table
from lensfit.cli.ending import say
from lensfit.whole_files import written

JSON = ("implementation", "seconds", "ratio", "error", "memory")


def run(arguments: argparse.Namespace) -> int:
    """Measure the ways to one of the benchmarks' results; print the table, write the picture and the rows."""
    _use_one_core()
    title, rows = BENCHMARKS[arguments.what](arguments)
    say(f"{title}\n\n{table(rows)}")
    if arguments.json is not None:
        kept = [{key: value for key, value in dataclasses.asdict(row).items() if key in JSON} for row in rows]
        with written(arguments.json) as path:
            path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if arguments.out is not None:
        with written(arguments.out) as path:
            picture(rows, title).savefig(path)
    return 0


def _w_tilde(arguments: argparse.Namespace) -> tuple[str, list[Row]]:
    tracks = Tracks.of(arguments.grid, arguments.visibilities)
    title = f"w_tilde: N = {arguments.grid}, M = {tracks.mask.sum()}, K = {arguments.visibilities}"
    return title, measure(tracks, w_tilde.implementations(), w_tilde_error, arguments.memory, _fewer)


def _fewer(tracks: Tracks, share: float) -> tuple[Tracks, float, str]:
    """Fewer visibilities: time goes with their number."""
    count = max(2, int(share * len(tracks.u)))
    return tracks.first(count), count / len(tracks.u), f"scaled from K = {count:,}"


def _curvature(arguments: argparse.Namespace) -> tuple[str, list[Row]]:
    tracks = Tracks.of(arguments.grid, arguments.visibilities)
    case = curvature.Inversion(
        tracks=tracks, source_pixels=arguments.source_pixels, neighbours=arguments.weights
    )
    sizes = f"N = {arguments.grid}, M = {tracks.mask.sum()}, S = {case.source_pixels}, B = {case.neighbours}"
    rows = measure(case, curvature.implementations(), curvature.curvature_error, arguments.memory, _not_less)
    return f"curvature matrix: {sizes}", rows


def _not_less(case: curvature.Inversion, share: float) -> tuple[curvature.Inversion, float, str]:
    return case, 0.0, ""


BENCHMARKS: dict[str, Callable[[Any], tuple[str, list[Row]]]] = {"w-tilde": _w_tilde, "curvature": _curvature}


def _use_one_core() -> None:
    """Keep this process, and the threads that libraries start, on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
