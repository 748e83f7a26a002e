"""What an isothermal mass answers about a lens that is not, and what a power law does. From the root of the repository:

    python examples/slope.py
"""
import lensfit
from lensfit import LensModel
from lensfit.instruments import jwst_f150w
from lensfit.priors import Disk, LogNormal, Normal, Solved, Uniform
from lensfit.profiles import EPL, SIE, Sersic, Shear
from lensfit.simulate import simulate_imaging

PLACE = {"center_x": 0.0, "center_y": 0.0}
TRUTH = LensModel(
    light={},
    mass={
        "main": EPL(**PLACE, e1=0.15, e2=0.05, einstein_radius=1.0, slope=1.7),
        "shear": Shear(gamma1=0.03, gamma2=0.0),
    },
    source={"arc": Sersic(center_x=0.07, center_y=0.05, e1=0.1, e2=0.0, intensity=0.5, effective_radius=0.1,
                          sersic_index=1.0)},
)  # fmt: skip


def model(kind, **more):
    """A mass of a kind with shear, and a source, with priors."""
    (e1, e2), (s1, s2), gamma = (Disk(scale=scale, limit=0.8).parts for scale in (0.2, 0.2, 0.05))
    near = {axis: Normal(mean=0.0, sigma=0.1) for axis in PLACE}
    mass = kind(**near, e1=e1, e2=e2, einstein_radius=Uniform(low=0.5, high=1.5), **more)
    source = Sersic(
        center_x=Normal(mean=0.0, sigma=0.3), center_y=Normal(mean=0.0, sigma=0.3), e1=s1, e2=s2, intensity=Solved(),
        effective_radius=LogNormal(median=0.1, sigma=0.5), sersic_index=Uniform(low=0.5, high=4.0),
    )  # fmt: skip
    return LensModel(light={}, mass={"main": mass, "shear": Shear(gamma1=gamma[0], gamma2=gamma[1])},
                     source={"arc": source})  # fmt: skip


if __name__ == "__main__":
    lensfit.setup()
    imaging = simulate_imaging(TRUTH, jwst_f150w(), (90, 90), seed=1).circular_mask(1.35)
    for name, asked in (("SIE", model(SIE)), ("EPL", model(EPL, slope=Normal(mean=2.08, sigma=0.16)))):
        problem = lensfit.Problem(asked, lensfit.ImagingLikelihood.of(imaging, 2))
        result = lensfit.fit(problem, lensfit.fitters.LM(starts=6), seed=0)
        radius = result.names.index("mass.main.einstein_radius")
        said = f"{name}: Einstein radius {result.theta[radius]:.4f} +- {result.errors[radius]:.4f}"
        if "mass.main.slope" in result.names:
            slope = result.names.index("mass.main.slope")
            said += f", slope {result.theta[slope]:.3f} +- {result.errors[slope]:.3f}"
        print(f"{said}, chi2 {result.chi2:.0f} of {result.data_count} pixels")
