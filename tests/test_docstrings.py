"""Docstrings of the public surface: every argument is told, what comes back, and what is raised."""

import dataclasses
import inspect
import re

import pytest

import lensfit

SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):\n((?: {4}.*\n|\n)*)", re.M)
NAMED = re.compile(r"(?:^ {4}|[.;)] |^ {8}\S.*?; )((?:[*`]*\w+[`]*, )*[*`]*\w+[`]*)(?: \([^)]*\))?:", re.M)
PUBLIC = {name: getattr(lensfit, name) for name in lensfit.__all__ if not name.startswith("_")}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
MAKERS = {
    f"{name}.{of}": method.__func__
    for name, cls in CLASSES.items()
    for of, method in vars(cls).items()
    if isinstance(method, classmethod) and not of.startswith("_") and "jit" not in of
}
METHODS = {
    f"{name}.{of}": method
    for name, cls in CLASSES.items()
    for of, method in vars(cls).items()
    if inspect.isfunction(method) and not of.startswith("_")
}


def sections(thing):
    """Section of a docstring -> its text."""
    text = (inspect.getdoc(thing) or "") + "\n"
    return dict(SECTION.findall(text))


def told(body):
    """Names that a section says something of: `name: ...`, `one, other: ...`, also after a full stop."""
    return {name.strip("*` ") for group in NAMED.findall(body) for name in group.split(",")}


def arguments(function):
    return {name for name in inspect.signature(function).parameters if name not in ("self", "cls")}


def gives_nothing(function):
    return inspect.signature(function).return_annotation in ("None", None, "Self", inspect.Signature.empty)


@pytest.mark.parametrize("name", FUNCTIONS | MAKERS)
def test_a_function_tells_its_arguments_and_what_comes_back(name):
    function = (FUNCTIONS | MAKERS)[name]
    found = sections(function)
    assert arguments(function) <= told(found.get("Args", "")), name
    assert gives_nothing(function) or name in MAKERS or {"Returns", "Yields"} & set(found), name
    assert "raise " not in inspect.getsource(function) or "Raises" in found, name


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_tells_its_attributes(name):
    cls = CLASSES[name]
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    public = {field.name for field in fields if not field.name.startswith("_")}
    assert inspect.getdoc(cls)
    assert public <= told(sections(cls).get("Attributes", "")), name


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_does(name):
    assert inspect.getdoc(METHODS[name]), name
