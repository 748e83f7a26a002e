"""The reference: a page for each name of `lensfit.__all__`, and one for each module whose names the pages import."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import lensfit

PYTHON = re.compile(r"^```(?:python|\{code-cell\}[^\n]*)\n(.*?)^```$", re.M | re.S)


def pages(docs: Path) -> dict[str, str]:
    """Name and text of each page of the reference."""
    things = public_things()
    made = {f"api/{name}.md": f"# {name}\n\n{_directive(f'lensfit.{name}', value)}" for name, value in things.items()}
    for name, members in modules(docs).items():
        made[f"api/{name}.md"] = _module(name, sorted(members - set(things)))
    return made


def public_things() -> dict[str, Any]:
    """The functions and classes of `lensfit.__all__`."""
    values = {name: getattr(lensfit, name) for name in lensfit.__all__ if not name.startswith("_")}
    return {name: value for name, value in values.items() if not inspect.ismodule(value)}


def modules(docs: Path) -> dict[str, set[str]]:
    """Module -> its names to show: of public modules all, of others those that pages and examples import."""
    public = [getattr(lensfit, name) for name in lensfit.__all__]
    found = {module.__name__: _own(module) for module in public if inspect.ismodule(module)}
    texts = [block for page in sorted(docs.rglob("*.md")) for block in PYTHON.findall(page.read_text(encoding="utf-8"))]
    texts += [example.read_text(encoding="utf-8") for example in sorted((docs.parent / "examples").glob("*.py"))]
    for text in texts:
        for node in ast.walk(ast.parse(re.sub(r"^[%!:].*$", "", text, flags=re.M))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lensfit."):
                found.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    return found


def _own(module: ModuleType) -> set[str]:
    """Public names of a module: of its `__all__`, or what it defines."""
    kinds = (type, FunctionType)
    own = {n for n, v in vars(module).items() if isinstance(v, kinds) and v.__module__ == module.__name__}
    return set(getattr(module, "__all__", {name for name in own if not name.startswith("_")}))


def _directive(dotted: str, value: Any) -> str:
    kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
    if inspect.isclass(value) and issubclass(value, BaseException):
        kind = "exception"
    return f"```{{eval-rst}}\n.. auto{kind}:: {dotted}\n```\n"


def _module(name: str, members: list[str]) -> str:
    module = importlib.import_module(name)
    text = f"# {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :no-members:\n```\n"
    values = {member: getattr(module, member) for member in members}
    return text + "".join(f"\n{_directive(f'{name}.{m}', v)}" for m, v in values.items() if not inspect.ismodule(v))


def first_line(value: Any) -> str:
    """What a thing is: the first sentence or paragraph of its docstring, on one line of a table."""
    paragraph = (inspect.getdoc(value) or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", paragraph).replace("|", "\\|")


def tables(docs: Path) -> str:
    """What the page of the reference holds below its text: tables of functions, classes and modules."""
    things = public_things()
    groups = {
        "Functions": {n: v for n, v in things.items() if not inspect.isclass(v)},
        "Classes": {n: v for n, v in things.items() if inspect.isclass(v)},
        "Modules": {n: importlib.import_module(n) for n in sorted(modules(docs))},
    }
    text = ""
    for title, group in groups.items():
        rows = [f"| [{name}](made/api/{name}.md) | {first_line(value)} |" for name, value in group.items()]
        text += "\n".join([f"\n## {title}\n", "| name | what it is |", "|---|---|", *rows, ""])
    listed = "\n".join(f"made/api/{name}" for group in groups.values() for name in group)
    return text + f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
