"""The small lens of these tests, fitted."""

import types

import pytest
from small_fits import found_at, numbers, observed, posed, searched


@pytest.fixture(scope="session")
def lens():
    """`imaging`, `problem`, `theta` of the truth, and a `result` there that a search vouches for."""
    imaging = observed()
    problem = posed(imaging)
    theta = numbers(problem)
    result = found_at(problem, theta, search=searched(theta))
    return types.SimpleNamespace(imaging=imaging, problem=problem, theta=theta, result=result)
