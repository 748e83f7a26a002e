"""The report: one well-formed page that stands alone and puts the verdict first."""

import base64
import functools
import json
import os
import shutil
from html.parser import HTMLParser

import pytest
from made_run import PASSED, REASON, written_run

from lensfit.errors import DataError
from lensfit.report import number, uncertainty, write_report
from lensfit.results import read_document
from lensfit.verdict import Trust

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects tags, sources and texts, and refuses tags that do not nest."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.sources, self.body = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "body" in self.open and data.strip():
            self.body.append(data.strip())


def parsed(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


@pytest.fixture
def folder(mock, tmp_path):
    """A copy of the run that was written."""
    made = written_run(mock.imaging, tuple(mock.truth.items()))[0]
    return shutil.copytree(made, tmp_path / "run")


def changed(folder, **changes):
    """Put other values into the result.json of a run."""
    document = read_document(folder) | changes
    (folder / "result.json").write_text(json.dumps(document))


def plain_trust(trust):
    """A verdict as result.json holds it."""
    words = {name: getattr(trust, name) for name in ("word", "trusted", "headline", "reasons")}
    return words | {"checks": [vars(check) for check in trust.checks]}


def test_the_verdict_comes_first(folder):
    page = parsed(write_report(folder))
    assert "NOT TRUSTED" in page.body[0]
    assert page.body[1] == REASON


def test_a_trusted_fit_says_so_first(folder):
    changed(folder, trust=plain_trust(PASSED))
    page = parsed(write_report(folder))
    assert "TRUSTED: all 1 checks passed" in page.body[0]
    assert not any("NOT TRUSTED" in word for word in page.body)


def test_a_fit_without_checks_is_not_trusted(folder):
    changed(folder, trust=plain_trust(Trust()))
    page = parsed(write_report(folder))
    assert "UNCHECKED: no check was made" in page.body[0] and not any("TRUSTED" in word for word in page.body)


def test_the_page_needs_nothing_else(folder):
    path = write_report(folder)
    text = path.read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text
    page = parsed(path)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert len(page.sources) == 12
    for source in page.sources:
        assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


def test_everything_from_files_is_escaped(folder):
    bad = "<script>alert('x')</script>"
    document = read_document(folder)
    document["notes"] = [bad]
    document["data"]["notes"] = [bad]
    document["data"]["described"].append(["unit", bad])
    document["variants"][0]["name"] = bad
    document["provenance"]["command"] = bad
    document["parameters"][bad] = document["parameters"]["mass.sie.e1"]
    changed(folder, **document)
    page = parsed(write_report(folder))
    assert "script" not in page.tags
    assert page.body.count(bad) >= 6


def leaves(value, path=()):
    """Places of the numbers, texts and lists in a result.json; of lists their first."""
    if isinstance(value, dict) and value:
        return [place for key, item in list(value.items())[:40] for place in leaves(item, (*path, key))]
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        return leaves(value[0], (*path, 0))
    return [path]


def test_no_value_reaches_the_page_as_it_is(folder):
    bad = "</title></style><script>alert('x')</script>"
    document = read_document(folder)
    for figure in folder.glob("*.png"):
        figure.unlink()
    made = 0
    for *path, last in leaves(document):
        other = json.loads(json.dumps(document))
        owner = functools.reduce(lambda found, key: found[key], path, other)
        owner[last] = [bad] if isinstance(owner[last], list) else bad
        (folder / "result.json").write_text(json.dumps(other))
        try:
            page = parsed(write_report(folder))
        except DataError:
            continue
        assert "script" not in page.tags
        made += 1
    assert made > 30


def elsewhere(folder, name):
    """A PNG beside the folder, which is none of its own."""
    (folder / "data.png").rename(folder.parent / "other.png")
    return {"link": lambda: (folder / "data.png").symlink_to("../other.png"), "gone": lambda: None,
            "pipe": lambda: os.mkfifo(folder / "data.png"),
            "text": lambda: (folder / "data.png").write_text("root:x:0:0")}[name]()  # fmt: skip


@pytest.mark.parametrize(
    "named, instead",
    [
        ("../other.png", "gone"), ("/etc/passwd", "gone"), ("../other", "gone"), ("", "gone"), (".", "gone"),
        ("data.png", "link"), ("data.png", "pipe"), ("data.png", "text"), (["data.png"], "gone"), (7, "gone"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1])
def test_figures_are_files_of_the_folder_itself(place, named, instead, folder):
    figures = read_document(folder)["figures"]
    elsewhere(folder, instead)
    changed(folder, figures=[*figures[:place], named, *figures[place:]])
    with pytest.raises(DataError, match=r"which is not a PNG file of this folder|is no whole result"):
        write_report(folder)


def test_a_report_of_the_users_own_stays(folder):
    (folder / "report.html").write_text("mine")
    with pytest.raises(DataError, match=r"report\.html: is not what an earlier run wrote"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "mine"
    (folder / "report.html").unlink()
    write_report(folder)
    write_report(folder)


def test_every_number_and_note_is_there(folder):
    page = parsed(write_report(folder))
    words = " ".join(page.body)
    for word in ("einstein_radius", "source_magnification", "two sources", "3 pixels masked: noise <= 0",
                 "/some/where/data.fits", "position_angle_sky", "seed", "jax", "amplitudes were solved"):
        assert word in words


def test_a_missing_figure_is_named(folder):
    (folder / "residual.png").unlink()
    assert "residual.png is missing" in write_report(folder).read_text(encoding="utf-8")


def test_a_folder_without_result_says_so(tmp_path):
    with pytest.raises(DataError, match=r"result\.json"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "value, error, expected",
    [
        (1.23456, 0.0123, "1.235"),
        (-1.23456, 0.0123, "\N{MINUS SIGN}1.235"),
        (1234.6, 210.0, "1235"),
        (0.1, None, "0.1"),
        (0.5, 0.0, "0.5"),
        (None, None, "\N{EM DASH}"),
        (1e-12, 1e-13, "1e\N{MINUS SIGN}12"),
    ],
)
def test_numbers_are_cut_at_their_error(value, error, expected):
    assert number(value, error) == expected


def test_errors_have_two_digits():
    assert [uncertainty(error) for error in (0.01234, 0.95, 12.3, 0.0)] == ["0.012", "0.95", "12", "0"]
    assert uncertainty(None) == "\N{EM DASH}"
