"""How a fit ends: exit codes, what is said, and what is left in the run folder."""

import errno
import hashlib
import importlib.metadata
import io
import json
import os
import socket
import tempfile
import time

import pytest
from run_files import RUN_FILES
from stand_in import earlier_run, files, write

from lensfit.analysis import analysis
from lensfit.cli.run_folder import Display
from lensfit.errors import DataError, FitError
from lensfit.lock import held
from lensfit.registry import fitter

GROWING = ("log.txt", "manifest.json")
HELD = tuple(name for name in RUN_FILES if name != "manifest.json")


def test_a_trusted_fit_is_0(lensfit, fits, data, tmp_path):
    fits()
    out = tmp_path / "runs" / "one"
    code, said, complaints = lensfit("fit", data, "--mask-radius", 1.5, "--out", out)
    assert (code, complaints) == (0, "")
    assert "TRUSTED: all 2 checks passed" in said
    told = "1.250 +- 0.022 arcsec (statistical 0.01, spread over neighbouring models 0.02)"
    assert f"Einstein radius  {told}\n" in said
    assert "chi2 / pixels    850.2 / 800 = 1.063" in said
    assert f"report           {out / 'report.html'}" in said
    assert files(out) == ["log.txt", "manifest.json", "recipe.toml", "report.html", "result.json"]
    assert (out / "report.html").read_text() == "one"


def test_a_fitter_that_needs_an_optimum_gets_that_of_staged(lensfit, fits, data, tmp_path):
    stand_in = fits()
    for number, (name, first) in enumerate({"staged": None, "importance": "staged", "emcee": None}.items()):
        arguments = ("--mask-radius", 1.5, "--fitter", name, "--out", tmp_path / str(number))
        assert lensfit("fit", data, *arguments)[0] == 0
        assert stand_in.fitter == (name if name == "staged" else fitter(name))
        assert (stand_in.start and stand_in.start.fitter) == first


def test_the_log_holds_stages_times_warnings_and_verdict(lensfit, fits, data, tmp_path):
    fits()
    lensfit("fit", data, "--mask-radius", 1.5, "--out", tmp_path / "run")
    log = (tmp_path / "run" / "log.txt").read_text()
    stages = ("search: 0.", "s in all, chi2 850.25", "fine fit: 0.")  # chi2 at the end of the stage
    for expected in ("INFO lensfit ", "30 x 34 pixels", "model parametric", *stages):
        assert expected in log
    assert "UserWarning: something odd" in log
    assert "TRUSTED: all 2 checks passed" in log


def test_a_terminal_shows_stage_chi2_and_time(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with Display(quiet=False) as display:
        display("search", 900.5, 0.5)
        time.sleep(0.7)
    shown = terminal.getvalue().split("\r")
    assert len([line for line in shown if "search, chi2 900.5 |" in line and " 50 % 00:0" in line]) > 1
    terminal.truncate(0)
    with Display(quiet=True) as display:
        display("search", 900.5, 0.5)
    assert terminal.getvalue() == ""


def test_a_fit_that_is_not_trusted_is_4_and_written(lensfit, fits, data, tmp_path):
    fits(trusted=False)
    code, said, _ = lensfit("fit", data, "--mask-radius", 1.5, "--out", tmp_path / "run")
    assert code == 4
    assert "NOT TRUSTED: 1 of 2 checks failed\n  two basins are as good\n" in said
    assert "result.json" in files(tmp_path / "run")


def test_a_fit_that_was_not_checked_is_4_and_says_another_word(lensfit, fits, data, tmp_path):
    fits(trusted=None)
    code, said, _ = lensfit("fit", data, "--mask-radius", 1.5, "--out", tmp_path / "run")
    assert code == 4
    assert "UNCHECKED: 1 of 2 checks could not be made\n  no search says so\n" in said and "NOT TRUSTED" not in said


@pytest.mark.parametrize(("trusted", "code"), [(True, 0), (False, 4), (None, 4)])
def test_quiet_says_nothing_on_standard_output(trusted, code, lensfit, fits, data, tmp_path):
    fits(trusted=trusted)
    arguments = ("fit", data, "--mask-radius", 1.5, "--out", tmp_path / "run", "--quiet")
    assert lensfit(*arguments)[:2] == (code, "")


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (FitError("no basin was found; widen the priors"), 5, "the fit failed: no basin was found"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("by zero"), 1, "Traceback"),
    ],
)
def test_a_fit_that_fails_leaves_its_reason_alone(error, code, reason, lensfit, fits, data, tmp_path):
    fits(error=error)
    out = tmp_path / "run"
    ended, said, complaints = lensfit("fit", data, "--mask-radius", 1.5, "--out", out)
    assert (ended, said) == (code, "")
    assert complaints.startswith("lensfit: ")
    assert "Traceback" not in complaints
    assert reason in (out / "log.txt").read_text()
    assert files(out) == ["log.txt", "manifest.json"]
    if code == 1:
        assert f"by zero; the traceback is in {out / 'log.txt'}" in complaints


def test_a_full_disk_is_told_and_leaves_what_was_there(lensfit, fits, data, tmp_path, monkeypatch):
    fits()

    def full(made):
        (made / "report.html").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arguments = ("fit", data, "--mask-radius", 1.5, "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(analysis, "write_report", full)
        code, _, told = lensfit(*arguments)
        assert code == 3 and "cannot be written (No space left on device); make room" in told
        assert files(tmp_path / "run") == ["log.txt", "manifest.json"]
    assert lensfit(*arguments, "--overwrite")[0] == 0
    before = {path: path.read_text() for path in (tmp_path / "run").iterdir() if path.name not in GROWING}
    monkeypatch.setattr(analysis, "write_report", full)
    assert lensfit(*arguments, "--overwrite")[0] == 3
    assert {path: path.read_text() for path in (tmp_path / "run").iterdir() if path.name not in GROWING} == before


# What cannot be used


RECIPE = '[fit]\nstandard = "parametric"\nseed = 5\n'
UNUSABLE = {
    "no such data": (["fit", "nowhere"], "nowhere: no such file or folder"),
    "no disc": (["fit", "data", "--mask-radius", "-1"], "--mask-radius -1"),
    "no recipe": (["fit", "data", "--model", "nowhere.toml"], "nowhere.toml: cannot be read"),
    "no model": (["fit", "data", "--model", "empty.toml"], "empty.toml: no model; give its profiles"),
    "no data": (["fit", "--model", "recipe.toml"], "recipe.toml: no data; give DATA, or path in [data]"),
    "no instrument": (["simulate", "recipe.toml"], "recipe.toml: to simulate, give a model of numbers"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_3_and_leaves_nothing(case, lensfit, fits, data, tmp_path, monkeypatch):
    fits()
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "recipe.toml", RECIPE)
    write(tmp_path / "empty.toml", "")
    before = files(tmp_path)
    arguments, message = UNUSABLE[case]
    code, said, complaints = lensfit(*arguments, "--out", "run")
    assert (code, said) == (3, "")
    assert message in complaints
    assert "Traceback" not in complaints
    assert files(tmp_path) == before


def test_a_folder_with_files_is_refused(lensfit, fits, data, tmp_path):
    fits()
    (tmp_path / "run").mkdir()
    mine = write(tmp_path / "run" / "mine.txt", "mine")
    code, _, complaints = lensfit("fit", data, "--out", tmp_path / "run")
    assert code == 3
    remedy = "choose another folder as --out, or add --overwrite"
    assert f"{tmp_path / 'run'}: holds files already; {remedy}" in complaints
    assert lensfit("simulate", tmp_path / "m.toml", "--out", tmp_path / "run")[0] == 3
    for overwrite in ([], ["--overwrite"]):
        code, _, complaints = lensfit("fit", data, "--out", mine, *overwrite)
        assert code == 3
        assert "mine.txt: is a file" in complaints
    assert files(tmp_path / "run") == ["mine.txt"]


def test_overwrite_replaces_the_files_of_a_run_and_no_other(lensfit, fits, data, tmp_path):
    fits()
    out = earlier_run(tmp_path / "run", HELD)
    write(out / "mine.txt", "old")
    arguments = ("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")
    assert lensfit(*arguments)[0] == 0
    assert files(out) == ["log.txt", "manifest.json", "mine.txt", "recipe.toml", "report.html", "result.json"]
    assert [path.name for path in out.iterdir() if path.read_text() == "old"] == ["mine.txt"]
    assert lensfit(*arguments)[0] == 0


PRECIOUS = ("my.txt", "source.fits", "model.fits", "data.png", "recipe.toml", "report.html", "log.txt",
            "checkpoint/manifest.json", "checkpoint/00001000.pt", "checkpoint/12345678.photos.zip")  # fmt: skip
USERS = {
    "no run": (PRECIOUS, "holds files, and is not the folder of a run"),
    "a manifest of another program": (("manifest.json", *PRECIOUS), "does not list the files of a run"),
    "a file that a run may write": (("source.fits",), "source.fits: was written by no run"),
    "a file that was changed": (("data.png",), "data.png: is not what an earlier run wrote"),
    "a log that was changed": (("log.txt",), "log.txt: is not what an earlier run wrote"),
}


@pytest.mark.parametrize("case", USERS)
def test_overwrite_touches_nothing_that_no_run_wrote(case, lensfit, fits, data, tmp_path):
    fits()
    names, told = USERS[case]
    out = tmp_path / "run"
    if len(names) == 1:
        earlier_run(out, ("result.json", "data.png", "log.txt"))
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write(out / name, "precious")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    code, _, complaints = lensfit("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")
    assert code == 3 and told in complaints
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_file_that_came_meanwhile_stays_and_the_results_are_kept(lensfit, fits, data, tmp_path, monkeypatch):
    stand_in, out = fits(), tmp_path / "run"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    called = type(stand_in).__call__

    def meanwhile(*arguments, **options):
        write(out / "result.json", "mine")
        return called(*arguments, **options)

    monkeypatch.setattr(type(stand_in), "__call__", meanwhile)
    code, _, complaints = lensfit("fit", data, "--mask-radius", 1.5, "--out", out)
    assert code == 3 and "result.json: was written by no run" in complaints
    rescued = next(tmp_path.glob("lensfit-results-*"))
    assert f"The results of this fit are in {rescued}" in complaints and "report.html" in files(rescued)
    assert (out / "result.json").read_text() == "mine"


def test_a_link_is_the_users(lensfit, fits, data, tmp_path):
    fits()
    out = earlier_run(tmp_path / "run", ("result.json", "data.png"))
    (out / "data.png").rename(tmp_path / "elsewhere.png")
    (out / "data.png").symlink_to(tmp_path / "elsewhere.png")
    assert lensfit("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")[0] == 3
    assert (tmp_path / "elsewhere.png").read_text() == "old"


def test_overwrite_leaves_what_is_not_of_the_state_of_a_fit(lensfit, fits, data, tmp_path):
    fits()
    out = earlier_run(tmp_path / "run", ("log.txt",))
    state = hashlib.sha256(b"old").hexdigest()
    (out / "checkpoint").mkdir()
    for name in ("00000001.arrays.npz", "00000002.arrays.npz", "12345678.photos.zip"):
        write(out / "checkpoint" / name, "old")
    listed = [{"number": 1, "files": {"00000001.arrays.npz": state, "00000002.arrays.npz": "0" * 64}}]
    manifest = {"format": 1, "identity": {}, "generations": listed}
    write(out / "checkpoint" / "manifest.json", json.dumps(manifest))
    assert lensfit("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")[0] == 0
    assert files(out / "checkpoint") == ["00000002.arrays.npz", "12345678.photos.zip"]


@pytest.mark.parametrize("option", [[], ["--overwrite"], ["--resume"]])
def test_two_at_once_in_one_folder(option, lensfit, fits, data, tmp_path):
    fits()
    out = earlier_run(tmp_path / "run", ("log.txt",))
    before = {path: path.read_bytes() for path in out.iterdir()}
    with held(out, DataError):
        code, _, complaints = lensfit("fit", data, "--out", out, *option)
        assert code == 3 and f"{out}: in use by host {socket.gethostname()}, process {os.getpid()}" in complaints
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    for host, code in ((socket.gethostname(), 0), ("elsewhere", 3)):  # of a process that was killed
        write(out / "lock", json.dumps({"host": host, "process": 99999999}))
        arguments = ("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")
        assert lensfit(*arguments)[0] == code
        assert (out / "lock").exists() == bool(code)


@pytest.mark.parametrize("kind", ["text", "link", "pipe"])
def test_a_lock_of_the_users_own_stays(kind, lensfit, fits, data, tmp_path):
    fits()
    out = earlier_run(tmp_path / "run", ("log.txt",))
    mine = write(tmp_path / "mine.txt" if kind == "link" else out / "lock", "precious")
    if kind == "link":
        (out / "lock").symlink_to(mine)
    elif kind == "pipe":
        mine.unlink()
        os.mkfifo(mine)
    code, _, complaints = lensfit("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")
    assert code == 3 and f"{out / 'lock'}: " in complaints
    assert os.path.lexists(out / "lock") and (kind == "pipe" or mine.read_text() == "precious")


@pytest.mark.parametrize("error", [FitError("no basin"), KeyboardInterrupt(), ZeroDivisionError("by zero")])
def test_what_fails_leaves_the_run_that_it_was_to_overwrite(error, lensfit, fits, data, tmp_path):
    fits(error=error)
    out = earlier_run(tmp_path / "run", HELD)
    assert lensfit("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")[0] not in (0, 4)
    assert files(out) == sorted(RUN_FILES)
    assert sorted(path.name for path in out.iterdir() if path.read_text() != "old") == ["log.txt", "manifest.json"]
    assert (out / "log.txt").read_text().startswith("old")
    fits()
    assert lensfit("fit", data, "--mask-radius", 1.5, "--out", out, "--overwrite")[0] == 0


def test_a_missing_package_is_told_before_the_staged_fit(lensfit, fits, data, tmp_path, monkeypatch):
    staged, known = fits(), importlib.metadata.version

    def version(name):
        if name == "blackjax":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    code, _, told = lensfit("fit", data, "--mask-radius", 1.5, "--fitter", "nuts", "--out", tmp_path / "run")
    assert code == 3
    assert "nuts: the package blackjax is not installed; pip install 'lensfit[blackjax]'" in told
    assert not hasattr(staged, "problem") and not (tmp_path / "run").exists()
