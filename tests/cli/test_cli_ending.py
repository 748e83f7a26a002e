"""Commands that do not come to their end: signals, outputs that are full or closed, disks that are full."""

import errno
import logging
import os
import signal
import sys
from pathlib import Path

import pytest
from stand_in import files

from lensfit.analysis import steps
from lensfit.cli import run_folder
from lensfit.cli.ending import complain, heeding_signals
from lensfit.cli.run_folder import LogFile, RunLog
from lensfit.errors import DataError


def nobody_reads():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full():
    return Path("/dev/full").open("w", encoding="utf-8")


OUTPUTS = {"nobody reads": (nobody_reads, 141, ""), "full": (full, 3, "standard output cannot be written (No space")}


@pytest.mark.parametrize("case", OUTPUTS)
@pytest.mark.parametrize("command", ["inspect", "fit"])
def test_an_output_that_cannot_be_written(case, command, lensfit, fits, data, tmp_path, monkeypatch):
    fits()
    output, code, told = OUTPUTS[case]
    out = tmp_path / "run"
    arguments = {"inspect": (), "fit": ("--mask-radius", 1.5, "--out", out)}[command]
    with output() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        ended, _, complaints = lensfit(command, data, *arguments)
    assert ended == code and told in complaints and "Traceback" not in complaints
    assert complaints.count("\n") == (1 if told else 0)
    if command == "fit":
        assert {"result.json", "report.html"} <= set(files(out)), "nothing is lost"


def test_nobody_is_left_to_complain_to(monkeypatch):
    with full() as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        complain("something")
        complain("something else")


SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("name", SIGNALS)
def test_signals_end_quietly(name, background, lensfit, data, tmp_path, monkeypatch):
    if background and name == "SIGINT":
        pytest.skip("ignored there")
    monkeypatch.setattr(steps, "fit", lambda *_, **__: signal.raise_signal(getattr(signal, name)))
    before = signal.getsignal(signal.SIGINT)
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests run under nohup
    out = tmp_path / "run"
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.default_int_handler)
        told = lensfit("fit", data, "--mask-radius", 1.5, "--out", out)
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGHUP, hung_up)
    assert told == (SIGNALS[name], "", "lensfit: interrupted\n")
    assert files(out) == ["log.txt", "manifest.json"]
    assert "ERROR interrupted" in (out / "log.txt").read_text()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heeding_signals() as came:
            signal.raise_signal(signal.SIGHUP)
            assert not came
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_log_on_a_full_disk_is_told_once(capsys):
    log = LogFile("/dev/full")
    for number in range(3):
        log.handle(logging.LogRecord("lensfit", logging.INFO, "", 0, str(number), None, None))
    log.close()
    told = "lensfit: /dev/full: cannot be written (No space left on device); make room, or choose another folder\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("before", [None, "an earlier log\n"])
def test_a_log_that_cannot_be_listed_is_taken_back(before, tmp_path, monkeypatch):
    def no_space(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder, "enlist", no_space)
    if before is not None:
        (tmp_path / "log.txt").write_text(before)
    with pytest.raises(DataError, match=r"No space left on device.*make room"), RunLog(tmp_path, "a") as log:
        log.open()
    assert files(tmp_path) == ([] if before is None else ["log.txt"])
    assert before is None or (tmp_path / "log.txt").read_text().startswith(before)
