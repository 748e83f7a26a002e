"""The whole of it, in a process of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from run_files import RUN_FILES
from stand_in import files

from lensfit.cli.live import FILM, PICTURE
from lensfit.recipe import read_recipe
from lensfit.results import read_document
from lensfit.space import Space
from lensfit.standard import parametric


@pytest.fixture
def environment():
    """Of what this process is told about JAX only where compiled programs lie."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("JAX_ENABLE", "TF_"))}


def run(environment, *arguments):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


COMMAND = (sys.executable, "-m", "lensfit")
HEEDS = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("lensfit", run_name="__main__")
"""
"""What a job in the background of a shell inherits is to ignore SIGINT; one in the foreground heeds it."""


def test_a_real_fit_writes_the_whole_run_folder(data, mock, tmp_path, environment):
    out = tmp_path / "run"
    done = run(environment, "fit", data, "--mask-radius", 1.5, "--live", "--out", out)
    assert done.returncode in (0, 4), done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("TRUSTED") == (done.returncode == 0)
    assert files(out) == sorted((*RUN_FILES, FILM, PICTURE))
    with Image.open(out / FILM) as film:
        assert film.n_frames > 1
    result = read_document(out)
    radius = result["parameters"]["mass.sie.einstein_radius"]["value"]
    assert radius == pytest.approx(mock.truth["mass.sie.einstein_radius"], abs=0.02)
    assert result["trust"]["trusted"] == (done.returncode == 0)
    model = read_recipe(out / "recipe.toml").model
    assert Space.of(model).names == Space.of(parametric(mock.imaging)).names
    (out / "report.html").unlink()
    done = run(environment, "report", out)
    assert (done.returncode, done.stdout.strip()) == (0, str(out / "report.html"))
    assert "<!DOCTYPE html>" in (out / "report.html").read_text()


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_fit_that_is_told_to_end_says_so(name, code, data, tmp_path, environment):
    log = tmp_path / "run" / "log.txt"
    command = [sys.executable, "-c", HEEDS, "fit", str(data), "--mask-radius", "1.5", "--out", str(log.parent)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=environment, **pipes)
    try:
        deadline = time.monotonic() + 60
        while not log.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(getattr(signal, name))
        said, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said, complaints) == (code, "", "lensfit: interrupted\n")
    assert "ERROR interrupted" in log.read_text()
    assert files(log.parent) == ["log.txt", "manifest.json"]
