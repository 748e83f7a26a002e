"""A plugin of pytest: tests that share compiled programs and fixtures run in one process; the long ones begin first."""

import pytest
from fitters import cases

FIRST = ("tests/staged", "tests/analysis", "tests/fitters", "tests/cli", "tests/profiles")
"""Where long tests lie: begun last, one of them would run beside idle processes."""
LAST = ("tests/test_examples.py", "tests/test_docs.py")
"""Whose tests are processes of their own: they find the kernels of all others, and any process may take the next."""
TOGETHER = (
    ("tests/staged/test_trust.py", "tests/analysis/test_companions.py", "tests/analysis/test_pixel_source.py"),
    ("tests/profiles",),
)
"""Files that run the same programs."""


def group(test):
    """Tests of one group run in one process: those of a file or of several, but of a fitter wherever the battery has
    them."""
    file = test.partition("::")[0]
    for files in TOGETHER:
        if file.startswith(files):
            return files[0]
    if file.startswith("tests/fitters"):
        given = test.rpartition("[")[2].rstrip("]")
        return max((name for name in cases.QUICK if f"{given}-".startswith(f"{name}-")), key=len, default=file)
    return test if file in LAST else file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: place(item.nodeid))


def place(test):
    """Where a test comes."""
    if test.startswith(LAST):
        return len(FIRST) + 1
    return min((k for k, begin in enumerate(FIRST) if test.startswith(begin)), default=len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By our own groups: pytest-xdist 3.8 writes those of its --dist loadgroup where pytest 9.2 does not look."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    return Groups(config, log)
