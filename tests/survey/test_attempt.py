"""One lens on a worker, and what the ledger keeps."""

import faulthandler
import sqlite3

import pytest
from tasks import by_name, lenses, quick

from lensfit.errors import DataError
from lensfit.survey.attempt import CRASH, LOG, Job, WorkerDied, attempt, last_words, settle
from lensfit.survey.ledger import NAME, opened
from lensfit.survey.outcome import FILE, Outcome, State


@pytest.fixture(autouse=True)
def pytest_s_faulthandler():
    """Pytest's own, back after the worker's."""
    yield
    faulthandler.enable()


def job(out, task=by_name):
    return Job(out=out, seed=0, timeout=100.0, task=task)


def made(out, name, token="t", task=by_name):
    """The outcome of an attempt, and the lens's folder."""
    outcome = attempt(job(out, task), lenses([name])[0], token)
    return outcome, out / "lenses" / name


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_lens_s_folder_appears_whole(tmp_path):
    outcome, folder = made(tmp_path, "good")
    assert outcome.state is State.DONE and outcome.found["data_count"] == 10
    assert names(folder) == [FILE, LOG, "result.json"] and Outcome.of(folder, outcome.key) == outcome
    assert names(tmp_path) == ["lenses", "seen-good"]
    assert outcome.cost["cpu_seconds"] >= 0
    again, _ = made(tmp_path, "good", "other", task=None)  # done: nothing is run
    assert again == outcome


@pytest.mark.parametrize(("name", "reason", "logged"), [
    ("bad", "data.fits: <b>no</b> pixel; give one", "ERROR failed: data.fits: <b>no</b>"),
    ("odd", "unexpected ZeroDivisionError: of <i>nothing</i> (see log.txt in its folder)", "Traceback (most recent"),
])  # fmt: skip
def test_errors_of_a_lens_are_its_reason(name, reason, logged, tmp_path):
    outcome, folder = made(tmp_path, name)
    assert (outcome.state, outcome.reason, outcome.found) == (State.FAILED, reason, {})
    assert logged in (folder / LOG).read_text()
    (folder / "mine.txt").write_text("a user's")
    later, _ = made(tmp_path, name, "later", task=quick)  # tried again: the user's file stays
    assert later.state is State.DONE and names(folder) == [FILE, LOG, "mine.txt", "result.json"]
    assert "Traceback" not in (folder / LOG).read_text()


def test_an_attempt_whose_worker_died_is_not_made_again(tmp_path):
    left = tmp_path / ".part-t" / "good"
    left.mkdir(parents=True)
    with pytest.raises(WorkerDied):
        made(tmp_path, "good")


def test_of_two_attempts_the_first_that_is_whole_stays(tmp_path):
    outcome, folder = made(tmp_path, "good")
    before = (folder / FILE).stat().st_ino
    part = job(tmp_path).part("good", "late")
    part.mkdir(parents=True)
    settle(job(tmp_path), outcome, part)
    assert (folder / FILE).stat().st_ino == before and not part.parent.exists()
    settle(job(tmp_path), outcome, part)  # cleared away meanwhile
    assert not part.exists()


@pytest.mark.parametrize(("said", "told"), [
    (None, "was ended from outside"), ("", "was ended from outside"),
    ("Timeout (0:00:03)!\nThread 0x1", "took longer than the limit of 3 s"),
    ("memory 3 GiB of 3.5 GiB\nmemory 3.1 GiB of 3.5 GiB\n", "outside, at a memory of 3.1 GiB of 3.5 GiB"),
    ("Fatal Python error: Segmentation fault\n\nThread", "its worker crashed: Segmentation fault"),
])  # fmt: skip
def test_last_words_of_a_worker(said, told, tmp_path):
    if said is not None:
        (tmp_path / CRASH).write_text(said)
    assert told in last_words(tmp_path, 3.0)


def test_the_ledger_keeps_states_from_run_to_run(tmp_path):
    done, waiting, failed = lenses(["a", "b", "c"])
    with opened(tmp_path) as ledger:
        ledger.check({"seed": 3})
        for lens in (done, waiting, failed):
            ledger.started(lens.name, lens.key(3))
        outcome = Outcome(name="a", key=done.key(3), state=State.DONE, found={"x": 0.1 + 0.2}, cost={"seconds": 1.0})
        ledger.ended(outcome)
        assert [ledger.crashed("c", "died"), ledger.crashed("c", "died")] == [1, 2]
    with opened(tmp_path) as ledger:
        assert list(ledger.outcomes(["c", "a", "none"])) == [outcome]
        states = {name: state for name, (_, state) in ledger.states().items()}
        assert states == {"a": State.DONE, "b": State.RUNNING, "c": State.WAITING}
        ledger.waits("c")
        assert ledger.crashed("c", "died") == 1
        with pytest.raises(DataError, match="holds a run with seed 3, and 4 is asked for"):
            ledger.check({"seed": 4})


def test_a_damaged_ledger_is_told(tmp_path):
    (tmp_path / NAME).write_bytes(b"no database at all, but long enough to be read as one" * 20)
    with pytest.raises(DataError, match="made again from the folders"), opened(tmp_path):
        pass
    (tmp_path / NAME).unlink()
    with pytest.raises(DataError, match="cannot be used"), opened(tmp_path):
        raise sqlite3.OperationalError("database or disk is full")
