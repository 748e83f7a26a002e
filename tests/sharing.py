"""A plugin of pytest: tests that share compiled programs and fixtures run in one process; the long ones begin first."""

import pytest
from fitters import cases

FIRST = ("tests/test_examples.py", "tests/staged", "tests/analysis", "tests/fitters", "tests/cli", "tests/test_docs.py")
"""Where long tests lie: begun last, one of them would run beside idle processes."""
APART = ("tests/test_examples.py", "tests/test_docs.py")
"""Whose tests are processes of their own."""


def group(test):
    """Tests of one group run in one process: those of a file, but of a fitter wherever the battery has them."""
    file = test.partition("::")[0]
    if file.startswith("tests/fitters"):
        given = test.rpartition("[")[2].rstrip("]")
        return max((name for name in cases.QUICK if f"{given}-".startswith(f"{name}-")), key=len, default=file)
    return test if file in APART else file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    rank = {place: number for number, place in enumerate(FIRST)}
    order = lambda item: min((n for place, n in rank.items() if item.nodeid.startswith(place)), default=len(FIRST))  # noqa: E731
    items.sort(key=order)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By our own groups: pytest-xdist 3.8 writes those of its --dist loadgroup where pytest 9.2 does not look."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    return Groups(config, log)
