"""Fitters against each other: what a run tells, the end at the budget, and the files."""

import json
import types

import analytic
import jax
import numpy as np
import pytest
from astropy.table import Table

import lensfit
from lensfit import comparison
from lensfit.comparison import ARRIVED, FAILED, FILES, FINISHED, STOPPED, Watch, markdown, write_comparison
from lensfit.errors import DataError, FitError
from lensfit.fitters.dynesty import Dynesty
from lensfit.fitters.emcee import Emcee
from lensfit.fitters.importance import Importance
from lensfit.fitters.optax import LBFGS
from lensfit.fitters.pyswarms import PySwarms
from lensfit.plots import Course, comparison_figure
from lensfit.progress import silent
from lensfit.registry import fit

CHOSEN = {
    "lbfgs": LBFGS(starts=3), "emcee": Emcee(nwalkers=16, nsteps=200), "dynesty": Dynesty(nlive=60),
    "too few": Dynesty(nlive=2),
}  # fmt: skip
WITHOUT_SLOPES = {"emcee": Emcee(), "dynesty": Dynesty(), "pyswarms": PySwarms()}


@pytest.fixture(scope="module")
def compared(tiny_lens):
    return lensfit.compare(tiny_lens[0], CHOSEN, seeds=1, budget=600)


def by_name(comparison):
    return {run.fitter: run for run in comparison.runs}


def test_a_run_tells_what_the_fit_does(compared, tiny_lens):
    run, result = by_name(compared)["lbfgs"], fit(tiny_lens[0], CHOSEN["lbfgs"], seed=0)
    assert (run.outcome, run.evaluations, run.gradients) == (FINISHED, result.evaluations, result.gradients)
    assert run.trusted == result.trust.trusted
    assert run.log_likelihood == pytest.approx(result.log_likelihood, abs=1e-6)
    nested, result = by_name(compared)["dynesty"], fit(tiny_lens[0], CHOSEN["dynesty"], seed=0)
    assert (nested.log_evidence, nested.log_evidence_error) == (result.log_evidence, result.log_evidence_error)
    assert nested.effective_samples == result.diagnostics.effective_samples
    assert nested.log_likelihood == pytest.approx(np.max(result.log_likelihoods), abs=1e-6)
    assert nested.samples_per_second == pytest.approx(nested.effective_samples / nested.working)


def test_the_best_known_is_the_best_of_all_and_distances_are_from_it(compared):
    runs = [run for run in compared.runs if run.outcome == FINISHED]
    assert [run.fitter for run in runs] == ["lbfgs", "emcee", "dynesty"]
    assert compared.best == max(run.log_likelihood for run in runs)
    for run in runs:
        assert compared.gap(run) == compared.best - run.log_likelihood >= 0
        assert compared.arrived(run) == (2 * compared.gap(run) <= ARRIVED)
        assert compared.arrived(run)
        times, heights = np.array(run.trace).T
        assert np.all(np.diff(times) >= 0) and np.all(np.diff(heights) > 0)
        assert heights[-1] == run.log_likelihood
        near = 2 * (compared.best - heights) <= ARRIVED
        assert compared.arrival(run) == times[near][0]
        assert 0 <= run.compile_seconds <= run.cpu_seconds


def test_a_fitter_that_fails_is_a_row_with_its_reason(compared):
    run = by_name(compared)["too few"]
    assert (run.outcome, run.log_likelihood, run.trusted) == (FAILED, None, None)
    assert "nlive = 2 is out of range" in run.reason
    assert not compared.arrived(run) and compared.gap(run) is None and compared.arrival(run) is None
    assert run.reason in markdown(compared)


def test_a_fitter_that_needs_an_optimum_gets_one_whatever_its_name(tiny_lens):
    comparison = lensfit.compare(tiny_lens[0], {"mine": Importance(effective_samples=100)}, seeds=1, budget=600)
    run = by_name(comparison)["mine"]
    assert run.outcome == FINISHED, run.reason
    assert run.effective_samples >= 100 and run.log_evidence is not None


@pytest.mark.parametrize("name", WITHOUT_SLOPES)
def test_a_sampler_is_stopped_at_its_budget_with_what_it_saw(name, exact, capfd):
    jax.effects_barrier()
    before = analytic.CALLS["values"]
    (run,) = lensfit.compare(exact.problem, {name: WITHOUT_SLOPES[name]}, seeds=1, budget=1e-9).runs
    jax.effects_barrier()
    assert run.outcome == STOPPED
    assert run.evaluations == analytic.CALLS["values"] - before > 0
    assert np.isfinite(run.log_likelihood) and run.trace[-1][1] == run.log_likelihood
    assert (run.effective_samples, run.log_evidence, run.trusted) == (None, None, None)
    assert capfd.readouterr() == ("", "")


def test_a_budget_that_ends_inside_the_library_prints_nothing(exact, capfd, monkeypatch):
    """emcee and dynesty print the exceptions that pass through them: the clock is let run out there."""
    for name, library in (("emcee", Emcee()), ("dynesty", Dynesty())):
        monkeypatch.setattr(Watch, "working", property(lambda self: 0.0 if self.count < 700 else 9.0))
        (run,) = lensfit.compare(exact.problem, {name: library}, seeds=1, budget=5.0).runs
        assert run.outcome == STOPPED and run.evaluations >= 700
    assert capfd.readouterr() == ("", "")


def test_a_stopped_descent_shows_the_point_it_had(tiny_lens):
    (run,) = lensfit.compare(tiny_lens[0], {"adam": LBFGS(starts=2)}, seeds=1, budget=1e-9).runs
    assert (run.outcome, run.evaluations, run.gradients) == (STOPPED, None, None)
    assert np.isfinite(run.log_likelihood)


def test_compilation_is_counted_once_where_events_lie_inside_each_other(tiny_lens, monkeypatch):
    clock = types.SimpleNamespace(now=0.0)
    fake = types.SimpleNamespace(perf_counter=lambda: clock.now, process_time=lambda: 0.5 * clock.now)
    monkeypatch.setattr(comparison, "time", fake)
    watch = Watch(tiny_lens[0], 60.0, silent)
    trace, _, compile_ = comparison.COMPILING
    with watch.measuring():
        for now, event, lasted in ((6.0, trace, 4.0), (10.0, trace, 9.0), (14.0, compile_, 2.0), (15.0, "other", 15.0)):
            clock.now = now
            jax.monitoring.record_event_duration_secs(event, lasted)
        clock.now = 20.0
        assert watch.compiled == pytest.approx(0.5 * (9 + 2))
        assert watch.working == pytest.approx(0.5 * (20 - 11))
    jax.monitoring.record_event_duration_secs(trace, 1.0)
    assert watch.compiled == pytest.approx(5.5)


def test_files(compared, tmp_path):
    write_comparison(tmp_path, compared)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    document = json.loads((tmp_path / "compare.json").read_text())
    table = Table.read(tmp_path / "compare.ecsv")
    assert [row["fitter"] for row in document["runs"]] == list(table["fitter"]) == list(CHOSEN)
    assert document["best"] == table.meta["best"] == compared.best
    for row, run, listed in zip(document["runs"], compared.runs, table, strict=True):
        assert row["log_likelihood"] == run.log_likelihood
        assert row["trace"] == [list(point) for point in run.trace]
        assert row["gap"] == compared.gap(run)
        assert bool(listed["arrived"]) == row["arrived"]
    assert np.isnan(table["log_evidence"][0]) and table["log_evidence"][2] == compared.runs[2].log_evidence
    assert table["cpu_seconds"].unit == "s"
    text = (tmp_path / "compare.md").read_text()
    assert "| lbfgs | 1 of 1 |" in text and "| too few | 0 of 1 |" in text
    with pytest.raises(DataError, match="no such folder"):
        write_comparison(tmp_path / "none", compared)


@pytest.mark.parametrize(
    ("fitters", "settings", "told"),
    [
        ([], {}, "no fitters"),
        (["lbfsg"], {}, "nearest: lbfgs"),
        (["lbfgs"], {"seeds": 0}, "seeds = 0"),
        (["lbfgs"], {"budget": 0.0}, "budget = 0"),
    ],
)
def test_what_cannot_be_compared_is_told_at_once(fitters, settings, told, exact):
    with pytest.raises(FitError, match=told):
        lensfit.compare(exact.problem, fitters, **settings)


def test_a_run_without_time_of_its_own_is_drawn():
    comparison_figure([Course("lm", ((-1e-9, 3.0), (0.0, 0.0)), 0.0, True)], 5.0).canvas.draw()
