"""A population from single lenses: against closed forms, with interim priors of every kind, from a folder of runs."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.image import imread
from scipy.stats import norm
from small_fits import found_at, numbers, observed, posed

from lensfit import cli
from lensfit.analysis import Analysis
from lensfit.errors import DataError, FitError, ModelError
from lensfit.population import LensPosterior, fit_population, infer, read_posteriors
from lensfit.population.inference import DRAWS
from lensfit.population.posteriors import of_lens
from lensfit.priors import Normal, Uniform
from lensfit.verdict import Check, Trust

NAME = "mass.main.slope"
MEAN, SCATTER, COUNT = 2.08, 0.16, 200
INTERIMS = {"normal": Normal(mean=2.0, sigma=0.3), "uniform": Uniform(low=1.0, high=3.0)}


def lens(k, true, error, interim, sampled, rng, trusted=True):
    """What a fit of a lens with that error says: its posterior under the interim prior."""
    seen = true + error * rng.normal()
    middle, width = seen, error
    if interim is INTERIMS["normal"]:
        precision = error**-2 + interim.sigma**-2
        middle, width = (seen * error**-2 + interim.mean * interim.sigma**-2) / precision, precision**-0.5
    samples = middle + width * rng.normal(size=(1000, 1)) if sampled else None
    result = SimpleNamespace(
        widened=1.0,
        names=(NAME,), theta=np.array([middle]), errors=np.array([width]), spread=np.array([np.nan]), samples=samples,
        weights=np.full(1000, 1e-3) if sampled else None, trust=SimpleNamespace(trusted=trusted),
    )  # fmt: skip
    return of_lens(f"lens{k}", result, NAME, interim)


def drawn(seed, interim="normal", sampled=False, strays=0, count=COUNT):
    rng = np.random.default_rng(seed)
    true = MEAN + SCATTER * rng.normal(size=count)
    true[:strays] = rng.uniform(1.0, 3.0, strays)
    errors = rng.uniform(0.02, 0.25, count)
    made = [lens(k, x, e, INTERIMS[interim], sampled, rng) for k, (x, e) in enumerate(zip(true, errors, strict=True))]
    return [one for one in made if one is not None]


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("interim", INTERIMS)
def test_mean_and_scatter_are_found_whatever_the_interim_prior(interim, sampled):
    """200 lenses of scatter 0.16: within 2.5 sigma, and errors as they must be, about 0.16 / sqrt(200) and more."""
    found = infer(NAME, drawn(1, interim, sampled))
    assert abs(found.mean.value - MEAN) < 2.5 * found.mean.error
    assert abs(found.scatter.value - SCATTER) < 2.5 * found.scatter.error
    assert 0.010 < found.mean.error < 0.020 and 0.008 < found.scatter.error < 0.020
    assert found.draws.shape == (DRAWS, 3) and found.draws.min() >= 0


def test_errors_are_calibrated():
    """Over 24 populations of 40 lenses the offsets of mean and scatter in their errors have a spread of about one."""
    found = [infer(NAME, drawn(seed, count=40), outliers=False) for seed in range(24)]
    for name, true in (("mean", MEAN), ("scatter", SCATTER)):
        pulls = [(getattr(one, name).value - true) / getattr(one, name).error for one in found]
        assert abs(np.mean(pulls)) < 0.7 and 0.65 < np.std(pulls) < 1.4, name


def test_the_posterior_is_that_of_the_closed_form():
    """Of lenses with normal likelihoods it is a product of normal densities, here on a grid of its own."""
    values = np.random.default_rng(2).normal(2.0, 0.2, 12)
    lenses = [LensPosterior(f"{k}", True, m, 0.1, 0.0, gauss=(m, 0.1)) for k, m in enumerate(values)]
    found = infer(NAME, lenses, outliers=False, low=1.0, high=3.0)
    mean, scatter = np.meshgrid(np.linspace(1, 3, 601), np.linspace(0.0025, 2, 600), indexing="ij")
    total = sum(norm.logpdf(one.value, mean, np.hypot(0.1, scatter)) for one in lenses)
    density = np.exp(total - total.max())
    density /= density.sum()
    for hyper, axis in ((found.mean, mean), (found.scatter, scatter)):
        expected = float(np.sum(density * axis))
        assert hyper.value == pytest.approx(expected, abs=0.005)
        assert hyper.error == pytest.approx(float(np.sqrt(np.sum(density * (axis - expected) ** 2))), rel=0.08)


def test_outliers_are_told_and_do_not_widen_the_rest():
    lenses = drawn(3, strays=20)
    told, untold = infer(NAME, lenses), infer(NAME, lenses, outliers=False)
    assert told.scatter.value < untold.scatter.value
    assert abs(told.scatter.value - SCATTER) < 2.5 * told.scatter.error
    assert 0.02 < told.outliers.median < 0.25 and untold.belongs == pytest.approx(1.0)
    far = np.argmax([abs(one.value - MEAN) / np.hypot(one.error, SCATTER) for one in lenses])
    assert told.belongs[far] < 0.5 and np.median(told.belongs) > 0.9


def test_a_spread_over_models_is_an_error_too():
    narrow = drawn(5, count=60)
    wide = [dataclasses.replace(one, spread=0.3) for one in narrow]
    assert infer(NAME, wide).scatter.value < infer(NAME, narrow).scatter.value


def test_what_says_nothing_is_left_out_and_too_few_are_refused():
    rng = np.random.default_rng(0)
    assert lens(0, 2.0, 30.0, INTERIMS["normal"], False, rng) is None
    with pytest.raises(FitError, match="2 lenses say something of"):
        infer(NAME, drawn(0)[:2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of a small lens as fit-many lays them out, their Einstein radii scattered by hand, every third untrusted."""
    made = tmp_path_factory.mktemp("survey")
    problem, rng = posed(observed()), np.random.default_rng(4)
    result = found_at(problem, numbers(problem), trust=Trust((Check.of("made", True, "by hand"),)))
    first = Analysis.of(problem, result, observed()).with_redshifts(0.3, 1.0).save(made / "one", "overview")
    for number in range(6):
        run = shutil.copytree(first, made / "lenses" / f"lens{number}")
        document = json.loads((run / "result.json").read_text())
        document["parameters"]["mass.sie.einstein_radius"]["value"] += 0.02 * rng.normal()
        document["trust"]["checks"][0]["outcome"] = "passed" if number % 3 else "failed"
        (run / "result.json").write_text(json.dumps(document))
    return made


def test_a_folder_of_runs_has_its_population(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "setup", lambda: None)
    command = ["population", str(folder), "--parameter", "einstein_radius", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith("einstein_radius\n") and "trusted  4 lenses: mean " in said and "all      6 lenses" in said
    assert "the verdict is a cut" in said
    document = json.loads((tmp_path / "out" / "population.json").read_text())
    assert abs(document["all"]["mean"]["value"] - 1.0) < 4 * document["all"]["mean"]["error"]
    assert abs(document["all"]["scatter"]["value"] - 0.02) < 3 * document["all"]["scatter"]["error"]
    assert len(document["trusted"]["lenses"]) == 4
    table = Table.read(tmp_path / "out" / "hierarc.csv")
    assert list(table["name"]) == [f"lens{k}" for k in range(6)] and set(table["z_lens"]) == {0.3}
    assert np.all(abs(table["theta_E"] - 1) < 0.1) and np.isnan(table["gamma"].astype(float)).all()
    assert imread(tmp_path / "out" / "population.png").std() > 0.01
    assert (tmp_path / "out" / "population.pdf").read_bytes().startswith(b"%PDF")
    found = fit_population(folder, "mass.sie.einstein_radius")
    assert found.trusted is not None and len(found.trusted.lenses) == 4 and "einstein_radius" in repr(found.all)


def test_what_is_no_population_is_told(folder, tmp_path):
    with pytest.raises(ModelError, match=r"no lens says anything of slope; there are"):
        fit_population(folder, "slope")
    with pytest.raises(ModelError, match=r"is said by light\.disk\.e1, mass\.sie\.e1, source\.arc\.e1"):
        fit_population(folder, "e1")
    with pytest.raises(ModelError, match=r"prior depends on other parameters"):
        fit_population(folder, "mass.sie.e1")
    lenses, _ = read_posteriors(folder, "mass.sie.e1", Normal(mean=0.0, sigma=0.2))
    assert len(lenses) == 6 and all(one.gauss is not None for one in lenses)
    with pytest.raises(ModelError, match="lie outside of the prior"):
        read_posteriors(folder, "einstein_radius", Uniform(low=5.0, high=6.0))
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="give that of fit-many"):
            fit_population(place, "slope")
