"""profiles.json and likelihood.json, code `pyautolens`. Run where autolens is installed.

Its coordinates are (y, x), its ell_comps (e2, e1), its row 0 is at the top, its Einstein radius is
(1 + q) / (2 sqrt(q)) times ours, and the sigma of its Gaussian sqrt(q) times ours.
"""

import autogalaxy as ag
import autolens as al
import cases
import make_mock
import numpy as np


def shape(p):
    return {"centre": (p["center_y"], p["center_x"]), "ell_comps": (p["e2"], p["e1"])}


def light_profile(p, *names):
    numbers = {k: p[k] for k in ("intensity", *names)}
    kind = {"sersic_index": al.lp.Sersic, "effective_radius": al.lp.Exponential, "sigma": al.lp.Gaussian}
    return kind[names[-1]](**shape(p), **numbers)


def light_profile_of(p):
    if "sigma" in p:  # theirs is along the minor axis
        return light_profile(p | {"sigma": p["sigma"] * np.sqrt(axis_ratio(p))}, "sigma")
    return light_profile(p, *(k for k in ("effective_radius", "sersic_index") if k in p))


def axis_ratio(p):
    e = np.hypot(p["e1"], p["e2"])
    return (1 - e) / (1 + e)


def isothermal(p, kind="SIE"):
    """The SIE, or the power law of slope 2."""
    q = axis_ratio(p)
    numbers = shape(p) | {"einstein_radius": p["einstein_radius"] * (1 + q) / (2 * np.sqrt(q))}
    return al.mp.PowerLaw(**numbers, slope=2.0) if kind == "EPL" else al.mp.Isothermal(**numbers)


def shear(p):
    return al.mp.ExternalShear(gamma_1=p["gamma1"], gamma_2=p["gamma2"])


def masses(p):
    made_from = {"einstein_radius": isothermal, "gamma1": shear}
    return [make(p) for name, make in made_from.items() if name in p]


def points(c):
    return al.Grid2DIrregular(list(zip(c["y"], c["x"], strict=True)))


def light(c):
    return np.array(light_profile_of(c["parameters"]).image_2d_from(grid=points(c))).tolist()


def mass(c):
    """alpha_x, alpha_y."""
    total = sum(np.array(m.deflections_yx_2d_from(grid=points(c))) for m in masses(c["parameters"]))
    return total[:, ::-1].tolist()


def dataset(m, mask, use_fft=None):
    """The mock, its rows turned over; 4x4 sub-pixels, averaged, PSF at image resolution."""
    step = make_mock.PIXEL_SCALE

    def array(values):
        return al.Array2D.no_mask(values[::-1].copy(), pixel_scales=step)

    imaging = al.Imaging(
        data=array(m["data"]),
        noise_map=array(m["noise"]),
        psf=al.Convolver(kernel=array(m["psf"]), use_fft=use_fft),
        over_sample_size_lp=make_mock.SUB_PIXELS,
        use_normalized_psf=False,
    )
    return imaging.apply_mask(al.Mask2D(mask=~mask[::-1], pixel_scales=step))


def tracer(flat, kind="SIE"):
    lens = al.Galaxy(
        redshift=0.5,
        bulge=light_profile_of(make_mock.of(flat, "light.bulge")),
        disk=light_profile_of(make_mock.of(flat, "light.disk")),
        mass=isothermal(make_mock.of(flat, "mass.sie"), kind),
        shear=shear(make_mock.of(flat, "mass.shear")),
    )
    source = al.Galaxy(redshift=1.0, light=light_profile_of(make_mock.of(flat, "source.sersic")))
    return al.Tracer(galaxies=[lens, source])


def as_it_comes(flat, imaging):
    return float(al.FitImaging(dataset=imaging, tracer=tracer(flat)).log_likelihood)


def evenly_sampled(flat, everywhere, m):
    """PyAutoLens's model image of the unmasked array, the sum over the mask taken here."""
    fit = al.FitImaging(dataset=everywhere, tracer=tracer(flat))
    image = np.array(fit.model_data.native)[::-1]
    noise = m["noise"][m["mask"]]
    residual = (m["data"] - image)[m["mask"]] / noise
    return -0.5 * float(np.sum(residual**2) + np.sum(np.log(2 * np.pi * noise**2)))


if __name__ == "__main__":
    how = {"code": "PyAutoLens", "version": f"autolens {al.__version__}, autogalaxy {ag.__version__}"}
    questions = cases.profile_cases()
    answers = {
        "light": [light(c) for c in questions["light"]],
        "mass": [mass(c) for c in questions["mass"]],
        "mass_hard": [mass(c) for c in questions["mass_hard"]],
    }
    note = {
        "mass": "alpha_x, alpha_y only",
        "gaussian": "sigma there is sqrt(q) times ours",
        "sie": "Isothermal: q held below 0.99999 and 1e-16 added to psi^2",
    }
    cases.store("profiles.json", "pyautolens", how | note, questions, answers)

    made, questions = make_mock.mock(), cases.likelihood_cases()
    inside, everywhere = dataset(made, made["mask"]), dataset(made, np.ones_like(made["mask"]))
    note = {
        "numerics": "over_sample_size_lp 4, numpy path; Isothermal: q < 0.99999, 1e-16 added to psi^2",
        "sampling": "light beyond the mask that the PSF carries into it is sampled once a pixel, not 4x4",
    }
    values = {name: as_it_comes(flat, inside) for name, flat in questions.items()}
    cases.store("likelihood.json", "pyautolens_as_it_comes", how | note, questions, values)
    note["sampling"] = "4x4 everywhere: model image of the unmasked array, sum over the mask in the script"
    values = {name: evenly_sampled(flat, everywhere, made) for name, flat in questions.items()}
    cases.store("likelihood.json", "pyautolens", how | note, questions, values)
