"""Simulated lenses among brighter and fainter neighbours: python benchmarks/fields.py FIRST STOP [--fit].

A lens of population.py's `ordinary` kind somewhere in a stamp of 200 x 200 pixels, and one to four galaxies of 0.1 to 4
times its light at 1 to 6 Einstein radii of it. The region is chosen as `lensfit fit` chooses it. It is right where it
is about the lens (within 0.1"), holds the images of the source (95 % of their light, in pixels that are used), and has
no core of a neighbour in it. With --fit the lens is fitted too, `lensfit.analyse` with its model `flexible`: right
within 5 % of the true Einstein radius, and whether it was trusted. One line of JSON a lens, then the counts.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

import numpy as np
import population

import lensfit
from lensfit.datasets import Imaging
from lensfit.instruments import jwst_f150w
from lensfit.lensing import unmasked_field
from lensfit.model import LensModel
from lensfit.observations import observe
from lensfit.profiles import Sersic
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.simulate import model_image, simulate_imaging

SHAPE = (200, 200)
FIRST = 130_000
NEAR, FAR = 1.0, 6.0
"""Between which the neighbours' distances from the lens are drawn, in Einstein radii."""
RATIOS = (0.1, 4.0)
"""Of a neighbour's light to that of the lens's bulge."""
WITHIN, HELD, OFF = 0.1, 0.95, 0.05
CORE = 0.05
"""Radius about a neighbour's centre in which no pixel is to be used [arcsec]."""


def drawn(k: int) -> tuple[LensModel, list[Sersic], int]:
    """Truth of field k without its neighbours, the neighbours, and the seed."""
    seed = FIRST + k
    random = np.random.default_rng(seed)
    lens = population._draw(random, smallest=0.6, shear=0.04, offset=0.25, brightness=0.6)
    half = 0.5 * SHAPE[0] * jwst_f150w().pixel_scale
    lens = moved(lens, *random.uniform(-0.35 * half, 0.35 * half, 2))
    sie: Any = lens.mass["sie"]
    bulge: Any = lens.light["bulge"]
    neighbours: list[Sersic] = []
    count = int(random.integers(1, 5))
    while len(neighbours) < count:
        distance, angle = sie.einstein_radius * random.uniform(NEAR, FAR), random.uniform(0, 2 * np.pi)
        x, y = sie.center_x + distance * np.cos(angle), sie.center_y + distance * np.sin(angle)
        if max(abs(x), abs(y)) > half:
            continue
        size, ratio = random.uniform(0.1, 0.6), np.exp(random.uniform(*np.log(RATIOS)))
        neighbours.append(
            Sersic(
                center_x=x,
                center_y=y,
                **population._ellipticity(random, 0.15),
                intensity=ratio * bulge.intensity * (bulge.effective_radius / size) ** 2,
                effective_radius=size,
                sersic_index=random.uniform(1.0, 4.0),
            )
        )
    return lens, neighbours, seed


def moved(lens: LensModel, x: float, y: float) -> LensModel:
    """The lens with all it has elsewhere."""

    def shift(profiles: Any) -> Any:
        return {
            name: dataclasses.replace(one, center_x=one.center_x + x, center_y=one.center_y + y)
            if hasattr(one, "center_x") else one for name, one in profiles.items()
        }  # fmt: skip

    return replace(lens, light=shift(lens.light), mass=shift(lens.mass), source=shift(lens.source))


def observed(k: int) -> tuple[Imaging, LensModel, list[Sersic]]:
    """Data and truth of field k."""
    lens, neighbours, seed = drawn(k)
    whole = replace(lens, light={**lens.light, **{f"neighbour_{n}": one for n, one in enumerate(neighbours)}})
    return simulate_imaging(whole, jwst_f150w(), SHAPE, seed=seed), lens, neighbours


def one(k: int, fit: bool) -> dict[str, Any]:
    """What the region of field k holds, and what its fit finds."""
    imaging, lens, neighbours = observed(k)
    sie: Any = lens.mass["sie"]
    begun = time.process_time()
    chosen: Any = observe(imaging).region().frame
    seconds = time.process_time() - begun
    arcs = model_image(lens.only("source"), jwst_f150w(), SHAPE)
    used = ~chosen.mask
    held = float(arcs[used].sum() / arcs.sum())
    field = unmasked_field(chosen)
    lens_used = bool(used[np.hypot(chosen.x - sie.center_x, chosen.y - sie.center_y) < WITHIN].any())
    cores = [bool(used[np.hypot(chosen.x - one.center_x, chosen.y - one.center_y) < CORE].any()) for one in neighbours]
    notes = [note for note in chosen.notes if note.startswith("mask chosen")]
    row = {
        "field": k, "theta_E": sie.einstein_radius, "x": sie.center_x, "y": sie.center_y, "held": held,
        "neighbours": len(cores), "cores_used": sum(cores), "half_width": field.half_width,
        "right": lens_used and held > HELD and not any(cores), "cpu_s": seconds, "note": notes,
    }  # fmt: skip
    if fit:
        done = lensfit.analyse(imaging, "flexible", progress=silent)
        radius = done.einstein_radius.value
        row |= {"found": radius, "off": radius / sie.einstein_radius - 1, "trusted": done.trust.trusted,
                "fit_cpu_s": done.fitted.cpu_seconds}  # fmt: skip
    return row


def main() -> None:
    """Run the fields FIRST to STOP - 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=int)
    parser.add_argument("stop", type=int)
    parser.add_argument("--fit", action="store_true", help="fit them too")
    arguments = parser.parse_args()
    lensfit.setup()
    rows = []
    for k in range(arguments.first, arguments.stop):
        rows.append(one(k, arguments.fit))
        print(json.dumps(rows[-1]), flush=True)
    count = {"fields": len(rows), "regions_right": sum(row["right"] for row in rows)}
    if arguments.fit:
        good = [abs(row["off"]) < OFF for row in rows]
        wrong = sum(row["trusted"] and not fine for row, fine in zip(rows, good, strict=True))
        count |= {"within": sum(good), "trusted": sum(row["trusted"] for row in rows), "trusted_and_off": wrong}
    print(json.dumps(count))


if __name__ == "__main__":
    main()
