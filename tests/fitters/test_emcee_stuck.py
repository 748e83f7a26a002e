"""emcee where a walker does not move."""

from lensfit.fitters.emcee import Emcee
from lensfit.registry import fit


def test_a_chain_too_short_for_every_walker_to_move_is_not_converged(exact):
    """In two steps some of 40 walkers accept nothing: their autocorrelation is not known."""
    result = fit(exact.problem, Emcee(nwalkers=40, nsteps=2), seed=0)
    assert not result.converged and not result.trust.trusted
    assert result.diagnostics.effective_samples == 0
    assert "autocorrelation inf steps" in " ".join(result.notes)
