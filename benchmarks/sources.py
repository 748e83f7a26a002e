"""The source that the data ask for, of the eighteen SLACS lenses, blind, one setting for all.

    python benchmarks/sources.py OUT [NAME ...] [--again]

fits each lens of ../shared/data/slacs as `lensfit fit --standard flexible` does, in one process, and prints: Einstein
radius with its total error, how far it is from the nearest published value (Bolton et al. 2008, TinyLensGpu, Shajib et
al. 2021), in percent and in errors (2 % added for the published one), the source that was chosen, the verdict, what
one profile gave, and CPU seconds of the search and of the source. --again chooses the source once more, its programs
compiled. OUT gets the run folders and montage.png.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from real_lenses import DATA, montage

import lensfit
from lensfit.analysis import Analysis, AutoSource, prepare, standard_road
from lensfit.progress import silent

PUBLISHED = {
    "J0029-0055": (0.96, 0.945, 0.951), "J0037-0942": (1.53, 1.512, 1.503), "J0044+0113": (0.79, 0.740),
    "J0216-0813": (1.16, 1.139), "J0330-0020": (1.10, 1.079, 1.079), "J0728+3835": (1.25, 1.200, 1.282),
    "J0912+0029": (1.63, 1.613), "J0956+5100": (1.33, 1.306), "J0959+0410": (0.99, 1.112, 0.969),
    "J1023+4230": (1.41, 1.503), "J1029+0420": (1.01,), "J1032+5322": (1.03,), "J1106+5228": (1.23, 1.238),
    "J1112+0826": (1.49, 1.442, 1.422), "J1134+6027": (1.10, 1.016), "J1204+0358": (1.31, 1.295, 1.287),
    "J1430+4105": (1.52, 1.462), "J2341+0000": (1.44, 1.379),
}  # fmt: skip
REFERENCE = 0.02
"""Error of a published radius, relative."""
NEAR, ERRORS = 0.03, 2.0
"""What counts as right: relative, and in errors."""


def chosen(done: Analysis) -> str:
    """The source in a word."""
    if done.fit.source == "pixels":
        return "pixels"
    return {1: "one", 2: "two"}[len(done.fitted.model.source)]


def off(done: Analysis, published: tuple[float, ...]) -> tuple[float, float]:
    """Relative distance from the nearest published value, and the least one in errors."""
    radius = done.einstein_radius
    relative = min((radius.value / p - 1 for p in published), key=abs)
    errors = min(abs(radius.value - p) / np.hypot(radius.total, REFERENCE * p) for p in published)
    return relative, float(errors)


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    lensfit.setup()
    rows = []
    for name in arguments.names:
        times = [time.process_time()]
        begun = prepare(DATA / "slacs" / name, "flexible", pixel_scale=0.05, nan="mask")
        one = begun.along(standard_road(begun, source="profiles"), silent)
        times.append(time.process_time())
        for _ in range(1 + arguments.again):
            done = one.then(AutoSource(), silent)
            times.append(time.process_time())
        done.save(arguments.out / name)
        (relative, errors), first = off(done, PUBLISHED[name]), off(one, PUBLISHED[name])
        rows.append((name, abs(relative) < NEAR, errors < ERRORS, done.trust.trusted))
        told = [
            f"{found.einstein_radius.value:.3f} +- {found.einstein_radius.total:.3f} {100 * far:+5.1f} % "
            f"{many:.1f} errors {found.trust.word}"
            for found, (far, many) in ((done, (relative, errors)), (one, first))
        ]
        spent = " ".join(f"{seconds:.1f}" for seconds in np.diff(times))
        print(f"{name} source {chosen(done)}: {told[0]}; one profile: {told[1]}; CPU s {spent}", flush=True)
        for reason in done.trust.reasons:
            print("   ", reason, flush=True)
    near, within, trusted = (sum(row[k] for row in rows) for k in (1, 2, 3))
    print(f"of {len(rows)}: {near} within {100 * NEAR:g} %, {within} within {ERRORS:g} total errors, {trusted} trusted")
    montage(arguments.out, {name: name for name, *_ in rows})


if __name__ == "__main__":
    main()
