"""A plugin of pytest: tests that share compiled programs and fixtures run in one process; the long ones begin first."""

import pytest

FIRST = ("tests/test_examples.py", "tests/staged", "tests/analysis", "tests/fitters", "tests/cli", "tests/test_docs.py")
"""Where long tests lie: begun last, one of them would run beside idle processes."""
APART = ("tests/test_examples.py", "tests/test_docs.py")
"""Whose tests are processes of their own."""


def group(item):
    """Tests of one group run in one process: those of a file, but of a fitter wherever the battery has them."""
    file = item.nodeid.partition("::")[0]
    call = getattr(item, "callspec", None)
    if file.startswith("tests/fitters") and call is not None and isinstance(call.params.get("name"), str):
        return call.params["name"]
    return item.nodeid if file in APART else file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Sort the tests, and name their groups for pytest-xdist's --dist loadgroup."""
    rank = {place: number for number, place in enumerate(FIRST)}
    order = lambda item: min((n for place, n in rank.items() if item.nodeid.startswith(place)), default=len(FIRST))  # noqa: E731
    items.sort(key=order)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
