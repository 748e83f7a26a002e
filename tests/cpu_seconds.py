"""A plugin of pytest: CPU seconds of a run by folder, file or test, of its workers and what they started too."""

import collections
import os
from pathlib import PurePosixPath

import pytest

LONGEST = 60  # lines that are told

LAST = pytest.StashKey[float]()


def spent():
    """CPU seconds so far, user and system, of this process and of those it started that have ended."""
    return sum(os.times()[:4])


def pytest_addoption(parser):
    parser.addoption("--cpu-seconds", choices=("folder", "file", "test"), help="tell the CPU seconds of each")


def pytest_configure(config):
    if config.option.cpu_seconds and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sum(config.option.cpu_seconds))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    session.config.stash[LAST] = spent()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """A report carries the CPU seconds since the one before, from a worker to the process that sums them."""
    report = yield
    now = spent()
    report.cpu_seconds, item.config.stash[LAST] = now - item.config.stash[LAST], now
    return report


def pytest_sessionfinish(session):
    """A worker tells all its seconds, imports and collecting too."""
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["cpu_seconds"] = spent()


class Sum:
    """What the reports of all workers carry, by place."""

    def __init__(self, kind):
        self.kind, self.places, self.workers = kind, collections.Counter(), 0.0

    def pytest_runtest_logreport(self, report):
        file = PurePosixPath(report.nodeid.partition("::")[0])
        place = {"folder": f"{file.parent}/", "file": str(file), "test": report.nodeid}[self.kind]
        self.places[place] += report.cpu_seconds

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.workers += getattr(node, "workeroutput", {}).get("cpu_seconds", 0.0)

    def pytest_terminal_summary(self, terminalreporter):
        whole = self.workers + (sum(os.times()[:2]) if self.workers else spent())
        rows = [*self.places.most_common(LONGEST), ("imports, collecting", whole - self.places.total())]
        terminalreporter.section("CPU seconds")
        for place, seconds in [*rows, ("the whole run", whole)]:
            terminalreporter.write_line(f"{seconds:8.1f}  {place}")
