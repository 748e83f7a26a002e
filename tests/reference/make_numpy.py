"""likelihood.json, code `numpy`: the plain evaluation in make_mock.py."""

import cases
import make_mock
import numpy as np

if __name__ == "__main__":
    made, questions = make_mock.mock(), cases.likelihood_cases()
    how = {
        "code": "make_mock.log_likelihood",
        "version": np.__version__,
        "mock_sha256": make_mock.digest(made),
    }
    values = {name: make_mock.log_likelihood(flat, made) for name, flat in questions.items()}
    cases.store("likelihood.json", "numpy", how, questions, values)
