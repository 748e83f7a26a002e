"""What a fit takes over from the result that it starts at."""

import dataclasses

import numpy as np
from posterior.known import linear

from lensfit.fitters.result import Variant
from lensfit.registry import fit
from lensfit.verdict import Check, Trust

KNOWN = Check.of("next basin", False, "two basins are as good")


def test_checks_spread_and_variants_of_the_same_optimum():
    problem, mean, *_ = linear(3)
    first = fit(problem, "importance", start=mean)
    other = Variant("other", 1.0, {}, counts=True, model=first.model)
    found = {"trust": Trust((KNOWN,)), "spread": np.ones(3), "variants": (other,)}
    first = dataclasses.replace(first, **found)
    second = fit(problem, "importance", start=first, seed=3)
    assert KNOWN in second.trust.checks and not second.trust.trusted
    assert [check.name for check in second.trust.checks] == ["importance weights", "lens", "next basin"]
    assert np.array_equal(second.spread, first.spread) and second.variants == first.variants


def test_nothing_of_another_optimum():
    problem, mean, *_ = linear(3)
    first = fit(problem, "importance", start=mean)
    away = dataclasses.replace(first, theta=first.theta + 2 * first.errors, trust=Trust((KNOWN,)))
    second = fit(problem, "importance", start=away)
    assert KNOWN not in second.trust.checks and second.trust.word == "UNCHECKED"
