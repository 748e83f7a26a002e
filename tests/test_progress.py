"""How a fit tells how it goes on: nothing in a file or a pipe, a line on a terminal, a bar by default."""

import io

import numpy as np
import pytest

from lensfit.progress import Bar, in_words, part, shown, silent


def at_a(monkeypatch, terminal):
    """Standard error is a terminal or a file from here on."""
    made = io.StringIO()
    made.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", made)
    return made


def test_a_terminal_shows_stage_chi2_and_note(monkeypatch):
    terminal = at_a(monkeypatch, True)
    with shown(None) as told:
        told("search", np.nan, 0.2)
        told("fine fit", 900.5, 0.5, "acceptance 0.31")
    assert "fine fit, chi2 900.5, acceptance 0.31 |" in terminal.getvalue() and " 50 % " in terminal.getvalue()


@pytest.mark.parametrize(("terminal", "quiet"), [(True, True), (False, False)])
def test_nothing_is_shown_where_nobody_looks(terminal, quiet, monkeypatch):
    written = at_a(monkeypatch, terminal)
    with Bar(quiet) as bar:
        bar("search", 1.0, 0.5)
    assert written.getvalue() == ""


def test_what_is_given_is_told():
    with shown(silent) as told:
        assert told is silent
    seen = []
    part(lambda *given: seen.append(given), 0.5, 0.4)("search", 3.0, 0.5, "a note")
    assert seen == [("search", 3.0, 0.7, "a note", None)]
    assert in_words(np.nan, "") == "" and in_words(3.0, "a note") == ", chi2 3, a note"
