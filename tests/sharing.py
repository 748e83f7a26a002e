"""A plugin of pytest: tests that share compiled programs and fixtures run in one process; the long ones begin first."""

import ctypes
import gc
import os
import sys
from pathlib import Path

import jax
import pytest
from fitters import cases

from lensfit.compiled import Compiled

FIRST = ("tests/staged", "tests/analysis", "tests/fitters", "tests/cli", "tests/profiles")
"""Where long tests lie: begun last, one of them would run beside idle processes."""
LAST = ("tests/test_examples.py", "tests/test_docs.py")
"""Whose tests are processes of their own: they find the kernels of all others, and any process may take the next."""
TOGETHER = (
    (
        "tests/staged/test_trust.py", "tests/analysis/test_companions.py", "tests/analysis/test_pixel_source.py",
        "tests/analysis/test_auto_source.py",
    ),
    ("tests/staged/test_relit.py", "tests/analysis/test_road.py"),
    ("tests/profiles",),
    ("tests/inversion",),
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


GROWTH = 2**30
"""Bytes by which a process may grow before it lets go the programs of groups that have ended."""
STATM = Path("/proc/self/statm")
HELD = pytest.StashKey[int]()


def memory():
    """Bytes that this process holds; 0 where that cannot be told."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if STATM.exists() else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    """What was imported stays: the many objects of a trace need not have it looked through for garbage."""
    session.config.stash[HELD] = memory()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or group(nextitem.nodeid) == group(item.nodeid) or not STATM.exists():
        return
    if memory() - item.config.stash[HELD] > GROWTH:
        let_go()
        item.config.stash[HELD] = memory()


def let_go():
    """Forget all compiled programs, and give their memory back."""
    for name, module in list(sys.modules.items()):
        if name.startswith("lensfit"):
            for function in vars(module).values():
                if isinstance(function, Compiled):
                    function.known.clear()
    jax.clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By our own groups: pytest-xdist 3.8 writes those of its --dist loadgroup where pytest 9.2 does not look."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    config.option.loadscopereorder = False  # groups of many tests first: ours are in order
    return Groups(config, log)
