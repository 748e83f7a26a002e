"""Visibilities: what one source leaves is found, named, added where it gains, and left where it does not."""
import dataclasses

import numpy as np
import pytest

from lensfit.analysis import Analysis, AutoSource
from lensfit.datasets import Interferometer
from lensfit.errors import FitError
from lensfit.fitters.result import Basin, Search, Variant
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.calibration import Observations
from lensfit.model import LensModel
from lensfit.observations import again
from lensfit.profiles import SIE, Exponential, Sersic, Shear
from lensfit.progress import silent
from lensfit.registry import fit
from lensfit.simulate import simulate_interferometer
from lensfit.staged.larger import fit_larger
from lensfit.standard import one_source

MASS = {
    "sie": SIE(center_x=0.05, center_y=-0.04, e1=0.1, e2=-0.06, einstein_radius=0.9),
    "shear": Shear(gamma1=0.03, gamma2=0.02),
}
SOURCE = Sersic(center_x=0.13, center_y=0.02, e1=0.1, e2=0.05, intensity=4e-3, effective_radius=0.12, sersic_index=1.0)


def compact(x, y, flux=0.02):
    """Emission that is not lensed."""
    return Exponential(center_x=x, center_y=y, e1=0.0, e2=0.0, intensity=flux, effective_radius=0.08)


def fitted(light):
    """The fit of one source, begun at the truth, of a lens with this light."""
    rows = earth_rotation(
        spiral(12, 500.0), latitude=-23.0, declination=-45.0, hour_angles=np.linspace(-2, 2, 12), wavelength=870e-6,
        noise=0.004,
    )  # fmt: skip
    wide = Interferometer.of(rows, pixel_scale=0.12, shape=(48, 48))
    truth = LensModel(light=light, mass=MASS, source={"sersic": SOURCE})
    data = dataclasses.replace(simulate_interferometer(truth, wide, seed=1), emission=(0.0, 0.0, 1.1))
    begun = Analysis.begin(data, one_source).changed(seen=Analysis.begin(Observations.of([data])).observation).ready()
    known = {f"{group}.{name}.{field.name}": getattr(profile, field.name) for group in ("mass", "source")
             for name, profile in getattr(truth, group).items() for field in dataclasses.fields(profile)}  # fmt: skip
    result = fit(begun.problem, "lm", start=np.array([known[name] for name in begun.problem.names]), progress=silent)
    search = Search((Basin(result.theta, result.chi2),), result.theta)
    values = dict(zip(result.names, result.theta.tolist(), strict=True))
    itself = Variant("as fitted", result.chi2, values, True, result.model)
    return begun.changed(result=dataclasses.replace(result, search=search, variants=(itself,)))


@pytest.fixture(scope="module")
def one():
    """The fit of one source where there is no more."""
    return fitted({})


@pytest.mark.slow
def test_light_that_is_not_lensed_is_found_and_named():
    before = fitted({"far": compact(2.1, 1.6), "core": compact(0.06, -0.03)})
    done = before.then(AutoSource(), silent)
    assert set(done.fitted.model.light) == {"core", "unlensed_1"} and set(done.fitted.model.source) == {"sersic"}
    found = {name: (float(p.center_x), float(p.center_y)) for name, p in done.fitted.model.light.items()}
    assert np.hypot(found["unlensed_1"][0] - 2.1, found["unlensed_1"][1] - 1.6) < 0.05
    assert np.hypot(found["core"][0] - 0.06, found["core"][1] + 0.03) < 0.05
    assert done.fitted.chi2 < before.fitted.chi2 - 100 and done.fitted.chi2 / done.fitted.data_count < 1.05
    assert any("a core of the lens" in note and "lowered Akaike's criterion" in note for note in done.notes)
    assert sum("that is not lensed" in note for note in done.notes) >= 1
    checks = {check.name: check.passed for check in done.trust.checks}
    assert checks["not lensed"]
    assert checks["dirty residual"] and not {c.name: c.passed for c in before.trust.checks}["dirty residual"]
    assert any(v.name.startswith("without ") for v in done.fitted.variants)


def test_one_source_stays_where_it_leaves_noise(one):
    done = one.then(AutoSource(), silent)
    assert done.fitted.theta is one.fitted.theta and done.problem.names == one.problem.names
    assert done.fit.source == "profiles" and not one.observation.additions(one.problem, one.fitted.model, {})


def test_a_larger_model_needs_a_search(one):
    alone = dataclasses.replace(one.fitted, search=None)
    with pytest.raises(FitError, match="a larger model is begun at what the search of a smaller one found"):
        fit_larger(one.problem, alone, one.problem, {}, lambda _: ({},), "less", silent)


def test_what_was_added_moves_with_the_source_and_light_stays():
    first = {"source.sersic.center_x": 0.1, "source.sersic.center_y": 0.2}
    found = first | {"source.sersic_second.center_x": 0.15, "source.sersic_second.effective_radius": 0.1,
                     "light.core.center_x": 0.0}  # fmt: skip
    moved = again({"source.sersic.center_x": 0.3, "source.sersic.center_y": 0.2}, found, [*found][2:])
    assert moved == pytest.approx({"source.sersic_second.center_x": 0.35, "source.sersic_second.effective_radius": 0.1,
                                   "light.core.center_x": 0.0})  # fmt: skip
