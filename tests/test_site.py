"""Site and release: contents, notebooks, workflows, versions and what is told of them in several places."""

import ast
import re
import sys
from pathlib import Path

import pytest

from lensfit.version import __version__

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: workflows are not read")

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.md"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CELL = re.compile(r"^```\{code-cell\} ipython3\n(?::\w[^\n]*\n)*(.*?)^```$", re.M | re.S)

sys.path.append(str(DOCS))  # for the extension of the site

from _site import contents, links, outside, reference  # noqa: E402


def text(path):
    return path.read_text(encoding="utf-8")


def test_every_page_is_in_one_section_of_the_contents():
    led = links.led(text(DOCS / "index.md"), "index", DOCS)
    listed = [page for pages in contents.sections(led).values() for page in pages]
    pages = [path.relative_to(DOCS).with_suffix("").as_posix() for path in (*DOCS.glob("*.md"), *NOTEBOOKS)]
    made = [f"{outside.FOLDER}/{name}"[:-3] for name in outside.pages(DOCS)]
    assert sorted(listed) == sorted({*pages, *made} - {"index"})


def test_every_link_that_leaves_the_pages_has_a_page_in_its_place():
    for page in (*DOCS.glob("*.md"), *NOTEBOOKS):
        links.led(text(page), page.relative_to(DOCS).with_suffix("").as_posix(), DOCS)
    with pytest.raises(ValueError, match=r"outside\.py"):
        links.led("[this](../Makefile)", "index", DOCS)


def test_the_reference_has_every_public_name():
    pages = reference.pages(DOCS)
    assert {f"api/{name}.md" for name in reference.public_things()} <= set(pages)
    assert all(name in reference.tables(DOCS) for name in reference.public_things())


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_code_that_draws(page):
    cells = CELL.findall(text(page))
    code = "\n".join(re.sub(r"^%.*$", "", cell, flags=re.M) for cell in cells)
    ast.parse(code)
    assert len(cells) >= 5 and re.search(r"\.plot\(|_figure\(|inspect_visibilities\(|plt\.", code)
    assert max(len(line) for line in code.splitlines()) <= 120


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_what_make_has(workflow):
    document = yaml.safe_load(text(workflow))
    steps = [step for job in document["jobs"].values() for step in job["steps"]]
    called = re.findall(r"^make ([\w-]+)", "\n".join(step.get("run", "") for step in steps), re.M)
    assert called and all(re.search(rf"^{target}:", text(ROOT / "Makefile"), re.M) for target in called)
    assert all("timeout-minutes" in job for job in document["jobs"].values())
    assert document["permissions"] == {"contents": "read"}, "more is asked for by the job that needs it"


def test_forms_of_issues_ask_for_something():
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    for form in forms:
        document = yaml.safe_load(text(form))
        assert form.name == "config.yml" or {"name", "description", "body"} <= set(document)
    assert len(forms) >= 3


def test_one_version_everywhere():
    citation = yaml.safe_load(text(ROOT / "CITATION.cff"))
    assert str(citation["version"]) == __version__
    assert f"This is version {__version__}:" in text(ROOT / "README.md")
    assert re.search(r"^## \[([^\]]+)\]", text(ROOT / "CHANGELOG.md"), re.M)[1] in (__version__, "Unreleased")


def test_the_paper_says_what_the_readme_says():
    measured = re.findall(r"^\| ([^|]+) \|(?: [^|]+ \|)? ([^|]+) \|$", text(ROOT / "README.md"), re.M)
    paper = text(DOCS / "paper" / "paper.md")
    rows = re.findall(r"^\| (?!what)([^|-][^|]*) \| ([^|]+) \|$", paper, re.M)
    assert rows and set(rows) <= set(measured)
    cited = set(re.findall(r"@(\w+)", paper.split("---", 2)[2]))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", text(DOCS / "paper" / "paper.bib"), re.M))
