"""The client: any function of a lens on workers of dask, kept through errors, deaths and interruptions."""

import logging
import signal
import threading

import distributed
import numpy as np
import pytest
from tasks import by_name, lenses, quick

from lensfit.errors import DataError, FitError, ModelError
from lensfit.survey import analyse_many, cluster, unseen
from lensfit.survey.cluster import check_threads, connected
from lensfit.survey.outcome import FILE
from lensfit.survey.tables import ECSV, PARQUET

NAMES = [f"L{k}" for k in range(12)]


@pytest.fixture(scope="module")
def scheduler():
    """Address of a cluster of two workers, whose workers are started anew when they die."""
    with (
        cluster._quiet(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            memory_limit=700 * 2**20, silence_logs=logging.CRITICAL,
        ) as made,
    ):  # fmt: skip
        yield made.scheduler_address


def survey(names, out, scheduler, task=quick, **settings):
    return analyse_many(lenses(names), out, scheduler=scheduler, task=task, progress=unseen, **settings)


def tables(out):
    return [(out / name).read_bytes() for name in (ECSV, PARQUET)]


def test_the_table_is_the_same_whatever_the_workers_and_the_interruptions(scheduler, tmp_path):
    told = []
    whole = analyse_many(lenses(NAMES), tmp_path / "whole", workers=1, task=quick, progress=told.append)
    assert whole.tally.done == len(NAMES) == whole.tally.ended == told[-1].ended
    assert whole.tally.trusted == np.count_nonzero(whole.table["trusted"]) and told[-1].dashboard.startswith("http")
    assert list(whole.table["name"]) == NAMES and whole.index.is_file()
    survey(NAMES[:5], tmp_path / "parts", scheduler)  # a catalogue that grows
    (tmp_path / "parts" / "ledger.sqlite").unlink()  # made again from the folders
    left = tmp_path / "parts" / ".part-dead" / "L7"
    left.mkdir(parents=True)
    before = (tmp_path / "parts" / "lenses" / "L3" / FILE).stat().st_ino
    survey(NAMES, tmp_path / "parts", scheduler)
    assert tables(tmp_path / "parts") == tables(tmp_path / "whole")
    assert (tmp_path / "parts" / "lenses" / "L3" / FILE).stat().st_ino == before and not left.parent.exists()


def test_errors_and_deaths_are_rows_and_never_the_end(scheduler, tmp_path):
    names = ["good", "bad", "odd", "sleeping", "faulty", "mended"]
    made = survey(names, tmp_path, scheduler, by_name, lens_timeout=3.0, retries=0)
    reasons = dict(zip(made.table["name"], made.table["reason"], strict=True))
    assert list(made.table["state"]) == ["done", *["failed"] * 5] and made.tally.failed == 5
    assert reasons["bad"].startswith("data.fits: <b>no</b> pixel") and "ZeroDivisionError" in reasons["odd"]
    assert reasons["sleeping"] == "took longer than the limit of 3 s for a lens"
    assert reasons["faulty"] == "its worker crashed: Segmentation fault"
    assert all((tmp_path / "lenses" / name / "log.txt").is_file() for name in names)
    made = survey(["good", "mended", "once"], tmp_path, scheduler, by_name)  # the failed one stays, once dies once
    assert list(made.table["state"]) == ["done", "failed", "done"]
    made = survey(["good", "mended"], tmp_path, scheduler, by_name, retry_failed=True)
    assert list(made.table["state"]) == ["done", "done"]


@pytest.mark.slow
def test_a_lens_that_takes_a_worker_s_memory_has_failed(tmp_path):
    made = analyse_many(lenses(["greedy", "good"]), tmp_path, workers=1, memory=0.7, task=by_name, progress=unseen)
    assert list(made.table["state"]) == ["failed", "done"]
    assert "its worker was ended from outside, at a memory of" in made.table["reason"][0]


def test_interrupted_after_the_lenses_in_flight(scheduler, tmp_path):
    def interrupt(tally):
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="lenses wait; the same command goes on"):
        analyse_many(lenses(NAMES), tmp_path, scheduler=scheduler, workers=1, task=quick, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before and (tmp_path / ECSV).is_file()
    ended = len([*tmp_path.glob(f"lenses/*/{FILE}")])
    assert 1 <= ended <= 2
    assert survey(NAMES, tmp_path, scheduler).tally.earlier == ended


def test_a_survey_in_a_thread_and_one_that_is_done_needs_no_worker(scheduler, tmp_path):
    thread = threading.Thread(target=survey, args=(NAMES[:2], tmp_path, scheduler))
    thread.start()
    thread.join()
    assert survey(NAMES[:2], tmp_path, "tcp://127.0.0.1:1").tally.earlier == 2


def test_other_settings_and_folders_are_refused(scheduler, tmp_path):
    survey(NAMES[:1], tmp_path / "a", scheduler)
    with pytest.raises(DataError, match="holds a run with seed 0, and 1 is asked for"):
        survey(NAMES[:1], tmp_path / "a", scheduler, seed=1)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        survey(NAMES[:1], tmp_path / "file", scheduler)
    with pytest.raises(ModelError, match="no option sead"):
        survey(NAMES[:1], tmp_path / "b", scheduler, sead=1)


def test_workers_that_die_while_they_start_are_made_again(monkeypatch):
    import distributed

    starts: list[int] = []

    def fragile(*, n_workers, **_):
        starts.append(n_workers)
        if len(starts) < fails:
            raise RuntimeError("Nanny failed to start.")
        return "cluster"

    monkeypatch.setattr(distributed, "LocalCluster", fragile)
    fails = 3
    assert (cluster._local_cluster(2, None), starts) == ("cluster", [2, 2, 2])
    fails = 99
    with pytest.raises(FitError, match=r"did not start on this machine \(Nanny failed"):
        cluster._local_cluster(2, None)


def test_no_cluster_and_no_dask_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(FitError, match=r"no scheduler of dask answers at tcp://127.0.0.1:1"):
        survey(NAMES[:1], tmp_path, "tcp://127.0.0.1:1")
    with pytest.raises(FitError, match="--nthreads 1"):
        check_threads({"tcp://a": 1, "tcp://b": 4})
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ModelError, match=r"pip install 'lensfit\[many\]'"), connected(1, None, None):
        pass
