"""Images of one lens in several bands.

    python benchmarks/bands.py lenses FIRST STOP   simulated lenses in four Euclid bands: optimum, pulls, verdicts
    python benchmarks/bands.py impostors FIRST STOP   galaxies with a ring or shells of stars, in VIS and H: how many
                                                      are not trusted, by all checks and without those by colour
    python benchmarks/bands.py ring [--data DIR]   the COSMOS-Web Ring in F150W and F277W, blind
    python benchmarks/bands.py cost                ln L and gradient of four bands against four single ones, in turn
"""
from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lensfit
from lensfit.alignment import Alignment
from lensfit.analysis import Analysis, Region
from lensfit.datasets import Imaging
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.lensing import einstein_radius_of, unmasked_field
from lensfit.model import LensModel, Models
from lensfit.problem import Problem
from lensfit.profiles import EPL, Exponential, LightProfile, Sersic, Shear
from lensfit.profiles.base import parameter
from lensfit.profiles.shared_formulae import radius_squared
from lensfit.progress import silent
from lensfit.pytree import pytree
from lensfit.simulate import simulate_imaging
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Tally, objective_score
from lensfit.staged.joint import Joint

BANDS = {"VIS": (0.1, 64, 0.16, 1.0), "Y": (0.3, 22, 0.33, 6.0), "J": (0.3, 22, 0.36, 6.5), "H": (0.3, 22, 0.39, 7.0)}
"""Pixel [arcsec], pixels a side, FWHM of the PSF [arcsec] and brightness of what is grey, in units of VIS."""
REDDER = {"VIS": 1.0, "Y": 2.2, "J": 2.6, "H": 3.0}
"""How much brighter the lens is against the source than in VIS."""
SHIFT = 0.03
"""Scatter of the shifts of the further bands [arcsec]."""
FIRST_SEED = 70_000
AT_THE_OPTIMUM = 10.0
"""By how much chi2 + |z|^2 may be above that of a descent begun at the truth."""
STRUCTURES: dict[str, Any] = {"light_bands": "scaled", "source_bands": "scaled"}


def drawn(k: int) -> tuple[Models, dict[str, Imaging]]:
    """Truth and images of lens k: power laws of slope 1.8 to 2.3, Einstein radii of 0.8 to 1.5 arcsec."""
    random = np.random.default_rng(FIRST_SEED + k)
    x, y = 0.03 * random.standard_normal(2)
    radius, slope = random.uniform(0.8, 1.5), random.uniform(1.8, 2.3)
    shape = _ellipticity(random, 0.12)
    offset, angle = 0.3 * radius * np.sqrt(random.uniform()), random.uniform(0, 2 * np.pi)
    bulge, disk = _ellipticity(random, 0.1), _ellipticity(random, 0.1)
    index, size, large = random.uniform(2.5, 4.0), random.uniform(0.4, 0.8), random.uniform(0.8, 1.4)
    own, n, r = _ellipticity(random, 0.15), random.uniform(0.7, 2.0), random.uniform(0.12, 0.3)
    lens, arc = random.uniform(0.3, 1.0), random.uniform(0.3, 0.8)
    gamma = 0.04 * random.standard_normal(2)
    mass = {"epl": EPL(center_x=x, center_y=y, **shape, einstein_radius=radius, slope=slope),
            "shear": Shear(gamma1=gamma[0], gamma2=gamma[1])}  # fmt: skip
    models, images = {}, {}
    for number, (name, (_, _, _, grey)) in enumerate(BANDS.items()):
        shift, smaller = SHIFT * random.standard_normal(2), 1 - 0.05 * number
        models[name] = LensModel(
            light={
                "bulge": Sersic(center_x=x, center_y=y, **bulge, intensity=lens * grey * REDDER[name],
                                effective_radius=size * smaller, sersic_index=index),
                "disk": Exponential(center_x=x, center_y=y, **disk, intensity=0.2 * lens * grey * REDDER[name],
                                    effective_radius=large * smaller),
            },
            mass=mass,
            source={"sersic": Sersic(center_x=x + offset * np.cos(angle), center_y=y + offset * np.sin(angle), **own,
                                     intensity=arc * grey, effective_radius=r * smaller, sersic_index=n)},
            alignment=None if number == 0 else Alignment(shift_x=shift[0], shift_y=shift[1], angle=0.0),
        )  # fmt: skip
        seed = FIRST_SEED + len(BANDS) * k + number
        images[name] = simulate_imaging(models[name], camera(name), 2 * (BANDS[name][1],), seed=seed)
    return Models(terms=models), images


def _ellipticity(random: np.random.Generator, scatter: float) -> dict[str, float]:
    e1, e2 = np.clip(scatter * random.standard_normal(2), -0.35, 0.35)
    return {"e1": float(e1), "e2": float(e2)}


def camera(band: str) -> Instrument:
    """Of a band of Euclid."""
    pixel, _, fwhm, grey = BANDS[band]
    psf = gaussian_psf(fwhm, pixel, 2 * int(1.6 * fwhm / pixel) + 3)
    return Instrument(pixel_scale=pixel, psf=psf, exposure_time=500.0, gain=1.0, sky=0.2 * grey, read_noise=7.0,
                      unit="electron/s")  # fmt: skip


def lenses(first: int, stop: int) -> None:
    """A row a lens, then shares and pulls."""
    pulls: list[tuple[float, float]] = []
    optimum, trusted, cpu = [], [], []
    print(f"{'lens':>4s} {'optimum':>8s} {'theta_E':>8s} {'pull':>6s} {'slope':>6s} {'pull':>6s} {'CPU s':>6s}")
    for k in range(first, stop):
        truth, images = drawn(k)
        start = time.process_time()
        done = lensfit.analyse(images, mass="epl", source="profiles", progress=silent, **STRUCTURES)
        cpu.append(time.process_time() - start)
        result, radius = done.fitted, done.einstein_radius
        true = einstein_radius_of(truth["VIS"].only(), unmasked_field(done.observation.frame))
        slope = result.names.index("mass.epl.slope")
        pull = (
            (radius.value - true) / radius.error,
            (float(result.theta[slope]) - float(truth["VIS"].mass["epl"].slope)) / float(result.errors[slope]),
        )
        pulls.append(pull)
        above = above_the_truth(done, truth)
        optimum.append(above < AT_THE_OPTIMUM)
        trusted.append(done.trust.trusted)
        print(f"{k:4d} {above:8.1f} {radius.value:8.4f} {pull[0]:+6.2f} {result.theta[slope]:6.3f} {pull[1]:+6.2f} "
              f"{cpu[-1]:6.1f}  {done.trust.word} {'; '.join(done.trust.reasons)[:100]}", flush=True)  # fmt: skip
    both = np.array(pulls)
    print(f"{len(both)} lenses: {np.mean(optimum):.1%} at the optimum, {np.mean(trusted):.1%} trusted, median CPU "
          f"{np.median(cpu):.1f} s")  # fmt: skip
    for name, column in zip(("theta_E", "slope"), both.T, strict=True):
        held = [np.mean(abs(column) < width) for width in (1.0, 2.0)]
        print(f"{name:8s} pulls: mean {column.mean():+.2f}, scatter {column.std():.2f}, within 1 and 2 errors "
              f"{held[0]:.0%} and {held[1]:.0%}")  # fmt: skip


def ring_of_stars(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, radius: Any, width: Any, side: Any, angle: Any
) -> Any:
    """An elliptical ring of Gaussian cut, brighter towards an angle by a share `side`."""
    r = jnp.sqrt(radius_squared(x, y, center_x, center_y, e1, e2) + 1e-12)
    towards = ((x - center_x) * jnp.cos(angle) + (y - center_y) * jnp.sin(angle)) / r
    return jnp.exp(-0.5 * ((r - radius) / width) ** 2) * (1 + side * (2 * towards * towards - 1))


@pytree
class Ring(LightProfile):
    """Stars of the lens galaxy: a ring where side is 0, shells on two sides where it is near 1."""

    formula = staticmethod(ring_of_stars)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    radius: Any = parameter("arcsec", "r", "radius")
    width: Any = parameter("arcsec", "w", "shape")
    side: Any = parameter("", "s", "shape")
    angle: Any = parameter("rad", "a", "shape")
    intensity: Any = parameter("data unit", "I", "amplitude")


def impostor(k: int) -> dict[str, Imaging]:
    """Images in VIS and H of galaxy k, whose ring has the galaxy's colour, to 0.05 mag."""
    truth, _ = drawn(k)
    random = np.random.default_rng(FIRST_SEED - 1 - k)
    radius, side = random.uniform(0.8, 1.4), random.choice([0.2, 0.9])
    shape, width = _ellipticity(random, 0.08), random.uniform(0.08, 0.15)
    angle, bright = random.uniform(0, np.pi), random.uniform(0.3, 0.6)
    images = {}
    for number, name in enumerate(("VIS", "H")):
        own = truth[name]
        level = bright * BANDS[name][3] * REDDER[name] * 10 ** (0.4 * 0.05 * random.standard_normal() * number)
        ring = Ring(center_x=own.light["bulge"].center_x, center_y=own.light["bulge"].center_y, **shape, radius=radius,
                    width=width, side=side, angle=angle, intensity=level)  # fmt: skip
        model = dataclasses.replace(own, light={**own.light, "ring": ring}, source={})
        seed = FIRST_SEED + 10_000 + 2 * k + number
        images[name] = simulate_imaging(model, camera(name), 2 * (BANDS[name][1],), seed=seed)
    return images


def impostors(first: int, stop: int) -> None:
    """A row a galaxy, then the shares that are not trusted."""
    caught, by_others = [], []
    for k in range(first, stop):
        done = lensfit.analyse(impostor(k), source="profiles", progress=silent, **STRUCTURES)
        failed = [check.name for check in done.trust.checks if not check.passed and check.essential]
        caught.append(not done.trust.trusted)
        by_others.append(bool(set(failed) - {"one colour", "colour of the lens"}))
        told = next(check.finding for check in done.trust.checks if check.name == "colour of the lens")
        print(f"{k:4d} {done.trust.word:12s} {', '.join(failed)}; {told}", flush=True)
    print(f"{len(caught)} galaxies: {np.mean(caught):.0%} not trusted, {np.mean(by_others):.0%} without colours")


def above_the_truth(done: Analysis, truth: Models) -> float:
    """chi2 + |z|^2 of a fit less that of a descent begun at the true model."""
    model = solve_amplitudes(done.problem.model)
    space = Space.of(model)
    joint = Joint.over(model, space, Tally(), objective_score)
    reference = next(name for name in truth if done.problem.model[name].alignment is None)
    theta = np.array([done.fitted[name] for name in space.names])
    begun = theta.copy()
    for k, told in enumerate(space.parameters):
        term, name = told.term or reference, told.name.removeprefix(f"{told.term}.")
        group, _, rest = name.partition(".")
        if group != "alignment":
            profile, _, field = rest.partition(".")
            begun[k] = getattr(getattr(truth[term], group)[profile], field)
    ends = [joint.descend(done.problem.likelihood, one, 60, 1e-3) for one in (theta, begun)]
    return float(ends[0].objective) - float(ends[1].objective)


def ring(folder: Path) -> None:
    """Radius, verdict, chi2 of each band over its own best, CPU seconds."""
    paths = [folder / band for band in ("F150W", "F277W")]
    for run in ("first", "again"):
        start = time.process_time()
        done = lensfit.analyse(paths, progress=silent)
        print(f"{run}: {time.process_time() - start:.1f} CPU s")
    print(done.summary())
    for check in done.trust.checks:
        if check.name in ("bands agree", "one colour", "colour of the lens"):
            print(f"{check.name}: {check.finding}")


def cost() -> None:
    """Median CPU time of the sum over that of its terms one by one."""
    _, images = drawn(0)
    problem = Analysis.begin(images).then(Region(), silent).ready().problem
    singles = [Problem(model, term) for _, term, model in problem.parts(problem.model)]
    for what in ("log_likelihood", "value_and_grad"):
        whole, *parts = [_timer(one, what) for one in (problem, *singles)]
        times = np.array([[whole(), sum(part() for part in parts)] for _ in range(60)])
        both = 1e3 * np.median(times, axis=0)
        print(f"{what:15s} four bands {both[0]:.2f} ms, one by one {both[1]:.2f} ms: {both[0] / both[1]:.3f}")


def _timer(problem: Problem, what: str) -> Callable[[], float]:
    """Seconds of CPU of a method of a problem in the middle of its priors, which is called once before."""
    theta = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    call = getattr(problem, what)
    jax.block_until_ready(call(theta))

    def timed() -> float:
        start = time.process_time()
        jax.block_until_ready(call(theta))
        return time.process_time() - start

    return timed


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    population = commands.add_parser("lenses")
    shared = Path(os.environ.get("LENSFIT_SHARED", "../shared"))
    commands.add_parser("ring").add_argument("--data", type=Path, default=shared / "data" / "cosmos_web_ring")
    commands.add_parser("cost")
    galaxies = commands.add_parser("impostors")
    for one in (population, galaxies):
        one.add_argument("first", type=int)
        one.add_argument("stop", type=int)
    arguments = parser.parse_args()
    lensfit.setup()
    if arguments.command == "lenses":
        lenses(arguments.first, arguments.stop)
    elif arguments.command == "impostors":
        impostors(arguments.first, arguments.stop)
    elif arguments.command == "ring":
        ring(arguments.data)
    else:
        cost()


if __name__ == "__main__":
    main()
