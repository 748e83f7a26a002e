"""The store of states: damage, foreign files, full disks, other fits and other processes are told; nothing is lost."""

import errno
import hashlib
import json
import os
import pickle

import analytic
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit import version
from lensfit.errors import FitError
from lensfit.fitters import checkpoint
from lensfit.fitters.checkpoint import Store
from lensfit.fitters.emcee import Emcee
from lensfit.problem import Problem
from lensfit.pytree import replace

FITTER = Emcee(nwalkers=8)
STATE = {"chain": np.arange(6.0).reshape(2, 3), "rng": {"state": 2**127, "name": "PCG64"}, "file": b"\x00\x01"}


def opened(store, exact, fitter=FITTER, seed=0, problem=None, start=None):
    return store.opened(problem or exact.problem, fitter, seed, start)


@pytest.fixture
def kept(exact, tmp_path):
    """A store with two states, the second with `number` 2."""
    store = Store(tmp_path, interval=0.0)
    with opened(store, exact) as session:
        assert session.load() is None
        session.save(STATE | {"number": 1})
        session.save(STATE | {"number": 2})
    return store


def load(store, exact):
    with opened(store, exact) as session:
        return session.load()


def test_what_was_saved_is_loaded(kept, exact):
    found = load(kept, exact)
    np.testing.assert_array_equal(found["chain"], STATE["chain"])
    assert (found["rng"], found["file"], found["number"]) == (STATE["rng"], STATE["file"], 2)


def test_two_generations_stay(kept, exact, tmp_path):
    with opened(kept, exact) as session:
        session.load()
        session.save(STATE | {"number": 3})
    names = {path.name for path in tmp_path.iterdir()}
    assert {name.partition(".")[0] for name in names - {"lock", "manifest.json"}} == {"00000002", "00000003"}


def test_nothing_is_saved_before_its_time(exact, tmp_path):
    with opened(Store(tmp_path, interval=1e9), exact) as session:
        session.offer(lambda: pytest.fail("asked for its state"))


@pytest.mark.parametrize("name", ["arrays.npz", "values.json", "file.file"])
@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_a_damaged_state_falls_back_on_the_one_before(name, damage, kept, exact, tmp_path, caplog):
    path = tmp_path / f"00000002.{name}"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "cut" else bytes([data[0] ^ 1]) + data[1:])
    assert load(kept, exact)["number"] == 1
    assert "state 2 is damaged" in caplog.text


def test_when_every_state_is_damaged_it_says_so(kept, exact, tmp_path):
    for path in tmp_path.glob("*.json"):
        if path.name != "manifest.json":
            path.write_text("{}")
    with pytest.raises(FitError, match="every state in it is damaged"):
        load(kept, exact)


FOREIGN = ["", "{}", "[]", '{"format": 99, "identity": {}, "generations": []}', "\x00", "[" * 100_000]
FOREIGN += [f'{{"format": 1, "identity": {{}}, "generations": {generations}}}' for generations in (
    "7", "[7]", '[{"number": 1}]', '[{"number": 1, "files": 7}]', '[{"number": 1, "files": {"../of_others": "0"}}]',
    '[{"number": "1", "files": {"00000001.file": "0"}}]', '[{"number": 1, "files": {"00000001.file": 0}}]',
)]


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_manifests_are_refused(text, exact, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FitError, match="no manifest"):
        load(Store(tmp_path), exact)


def test_a_manifest_names_nothing_beyond_its_folder(exact, tmp_path):
    mine = tmp_path / "12345678.mine"
    mine.write_text("precious")
    (tmp_path / "store").mkdir()
    files = {"../12345678.mine": hashlib.sha256(b"precious").hexdigest()}
    manifest = {"format": 1, "identity": {}, "generations": [{"number": 1, "files": files}]}
    (tmp_path / "store" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FitError, match="no manifest"):
        Store(tmp_path / "store").discard()
    assert mine.read_text() == "precious"


def test_what_a_killed_process_left_is_removed_and_no_other_file(kept, exact, tmp_path, monkeypatch):
    (tmp_path / "00001000.pt").write_text("precious")
    with monkeypatch.context() as patch, opened(kept, exact) as session:

        def killed(*_):
            raise BaseException

        session.load()
        patch.setattr(checkpoint, "_flush_folder", killed)
        with pytest.raises(BaseException):  # noqa: B017
            session.save(STATE | {"number": 3})
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "00001001" not in " ".join(left.keys() - {"manifest.json"}) and b"00001001" in left["manifest.json"]
    (tmp_path / ".77-00ff.00001001.arrays.npz").write_bytes(b"half")  # as kill -9 leaves it
    with opened(kept, exact) as session:
        assert session.load()["number"] == 2
        session.save(STATE | {"number": 3})
    kept.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["00001000.pt"]
@pytest.mark.parametrize("name", ["manifest.json", "lock"])
def test_pipes_are_not_waited_for(name, exact, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(FitError, match=r"no manifest|was written by no run"):
        load(Store(tmp_path), exact)


def test_another_fit_is_refused_with_the_difference(kept, exact, monkeypatch):
    other = analytic.linear(counted=True).problem
    data = replace(other.likelihood, data=other.likelihood.data + 1)
    wider = replace(other.model, sky=replace(other.model.sky, sigma=0.7))
    cases = {
        "other data": {"problem": Problem(other.model, data)},
        "other model": {"problem": Problem(wider, other.likelihood)},
        "settings nwalkers: 8, now 10": {"fitter": Emcee(nwalkers=10)},
        "seed: 0, now 1": {"seed": 1},
        "other start": {"start": np.zeros(3)},
    }
    for told, changes in cases.items():
        with pytest.raises(FitError, match=told), opened(kept, exact, **changes):
            pass
    with opened(kept, exact, problem=other):  # the same, made anew
        pass
    monkeypatch.setattr(version, "__version__", "99.0")
    with pytest.raises(FitError, match=r"version lensfit: .*now '99\.0'"):
        load(kept, exact)


def test_a_full_disk_leaves_the_states_before(kept, exact, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with opened(kept, exact) as session, pytest.raises(FitError, match=r"No space left.*intact"):
            session.save(STATE | {"number": 3})
    assert load(kept, exact)["number"] == 2
    assert not list(tmp_path.glob("00000003*")) and not (tmp_path / ".manifest.json").exists()


def test_a_folder_that_cannot_be_made(exact, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FitError, match="cannot be written"):
        load(Store(tmp_path / "file" / "store"), exact)


def test_one_process_at_a_time(kept, exact, tmp_path):
    with opened(kept, exact), pytest.raises(FitError, match=f"in use by host .*, process {os.getpid()}"):
        load(kept, exact)
    (tmp_path / "lock").write_text(json.dumps({"host": "elsewhere", "process": 12}))
    with pytest.raises(FitError, match=r"host elsewhere, process 12; if that process is gone, remove .*lock"):
        load(kept, exact)
    (tmp_path / "lock").unlink()
    assert load(kept, exact)["number"] == 2


class Evil:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch /tmp/evil",)


def test_pickles_name_only_what_is_allowed():
    ours = {"density": len}
    assert checkpoint.unpickled(checkpoint.pickled([1.0, len], ours), ours, frozenset()) == [1.0, len]
    for thing in (Evil(), np.float64(1.0), os.path.join):
        with pytest.raises(FitError, match="which no checkpoint of lensfit does"):
            checkpoint.unpickled(pickle.dumps(thing), {}, frozenset())


def test_identity_is_json(exact):
    found = checkpoint.identity(exact.problem, FITTER, 3, jnp.zeros(3))
    assert found == json.loads(json.dumps(found))
    assert found["settings"] == {"nwalkers": 8, "nsteps": 5000, "moves": "stretch"}
