"""What is interrupted and gone on with ends where it would have ended: Ctrl-C and kill -9."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cases
import numpy as np
import pytest
from test_battery import same

from lensfit.fitters.checkpoint import Store
from lensfit.registry import fit, fitter

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", ["lbfgs", "emcee", "dynesty"])
def test_first_interrupt_stops_at_a_safe_point_and_saves(name, exact, short, tmp_path):
    store = Store(tmp_path, interval=1e9)
    before = signal.getsignal(signal.SIGINT)
    reached = itertools.count()

    def progress(*_, **__):
        if next(reached) == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="to go on, repeat the fit"):
        fit(exact.problem, fitter(name, {**cases.SHORT[name], **more(name)}), seed=5, checkpoint=store,
            progress=progress)
    assert signal.getsignal(signal.SIGINT) is before
    assert json.loads((tmp_path / "manifest.json").read_text())["generations"]
    result = fit(exact.problem, fitter(name, {**cases.SHORT[name], **more(name)}), seed=5, checkpoint=store)
    if not more(name):
        same(result, short(name).result)


def more(name):
    """Settings with which there are several safe points."""
    return {"starts": 2, "tolerance": 0.0, "steps": 60} if name == "lbfgs" else {}


def test_second_interrupt_stops_at_once(exact, tmp_path):
    reached = itertools.count()

    def progress(*_, **__):
        if next(reached) == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(exact.problem, fitter("emcee", cases.SHORT["emcee"]), checkpoint=Store(tmp_path), progress=progress)
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    "names", [("adam", "emcee"), pytest.param(("dynesty-dynamic", "nautilus"), marks=pytest.mark.slow)], ids=" ".join
)
def test_kill_9(names, fitted, tmp_path):
    """One process fits by one fitter after the other and is killed at random times until it gets through."""
    rng, kills = np.random.default_rng(6), 0
    command = [sys.executable, str(HERE / "fit_all.py"), str(tmp_path), *names]
    environment = os.environ | {"PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}
    for kill in range(8):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        wait_for_state(process, tmp_path, kill)
        try:
            process.wait(rng.uniform(0.0, 1.5) if kill < 3 else 300)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        _, told = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, told
    assert kills
    for name in names:
        with np.load(tmp_path / f"{name}.npz") as found:
            result = fitted(name).result
            np.testing.assert_array_equal(found["theta"], result.theta)
            np.testing.assert_array_equal(found["covariance"], result.covariance)
            assert int(found["evaluations"]) == result.evaluations


def wait_for_state(process, folder, kill):
    """Until there is something to lose: more files than the kills before left."""
    while process.poll() is None and len(list(folder.glob("*/manifest.json"))) <= kill:
        time.sleep(0.02)
