"""The laws of docs/architecture.md, checked on the code as it stands."""

import ast
import collections
import dataclasses
import importlib
import inspect
import itertools
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import pytest

import lensfit
from lensfit import pytree as pytree_module
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.observations import KINDS
from lensfit.space import Space
from lensfit.terms import Quadratic, Term

ROOT = Path(lensfit.__file__).parent
FILES = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
MOST_LINES, MOST_OF_A_FUNCTION = 500, 40  # of a function beside its signature and docstring
BELOW_PROBLEM = ("profiles/", "priors.py", "pytree.py", "model.py", "space.py", "grid.py", "surface.py")
BELOW_PROBLEM += ("operators/", "likelihood/", "datasets/", "instruments.py", "inversion/")
STATE = {"environ", "getenv", "putenv", "setenv"}


def names(tree):
    """Dotted names used in a file, as far as they are plain: `jax.jit`, `os.environ`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def nodes(kind, files=FILES):
    """(file, node) of every node of these kinds in the files."""
    return [(file, node) for file in files for node in ast.walk(FILES[file]) if isinstance(node, kind)]


def length(function):
    """Lines of a function from the first that does something."""
    documented = ast.get_docstring(function) is not None
    first = function.body[1 if documented and len(function.body) > 1 else 0].lineno
    return function.end_lineno - first + 1


def test_sizes():
    lines = {file: (ROOT / file).read_text().count("\n") for file in FILES}
    assert {file: count for file, count in lines.items() if count > MOST_LINES} == {}
    functions = {f"{file}: {f.name}": length(f) for file, f in nodes(ast.FunctionDef | ast.AsyncFunctionDef)}
    assert {name: count for name, count in functions.items() if count > MOST_OF_A_FUNCTION} == {}


def test_no_jit_below_problem():
    below = [file for file in FILES if file.startswith(BELOW_PROBLEM)]
    compilers = {"jax.jit", "jax.pmap", "lensfit.compiled.compiled"}
    assert [file for file in below if compilers & set(names(FILES[file]))] == []


def test_no_hidden_state():
    """No environment variable, no flag of JAX, no global statement, no mutable default.

    But for the function that makes JAX ready, and PySwarms, which takes over logging unless a variable says
    otherwise while it is imported.
    """
    files = [file for file in FILES if not file.startswith(("cli/", "start_up.py", "fitters/pyswarms"))]
    for file in files:
        used = set(names(FILES[file]))
        assert not {name for name in used if name.rpartition(".")[2] in STATE}, file
        assert "jax.config.update" not in used, file
    assert nodes(ast.Global | ast.Nonlocal, files) == []
    for file, function in nodes(ast.FunctionDef | ast.Lambda, files):
        for default in [*function.args.defaults, *function.args.kw_defaults]:
            assert not isinstance(default, ast.List | ast.Dict | ast.Set), f"{file}: {ast.unparse(default)}"


def test_every_public_thing_says_what_it_is():
    for file, tree in FILES.items():
        assert ast.get_docstring(tree) is not None or file.endswith("__init__.py") or "_version" in file, file
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            assert not public or ast.get_docstring(node), f"{file}: {node.name}"


def test_only_declared_libraries_are_imported():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    declared = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    known = {re.match(r"[\w.-]+", line)[0].removesuffix("-sampler").replace("-", "_") for line in declared}
    for file, tree in FILES.items():
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: a relative import"
                modules = [node.module or ""]
            for module in modules:
                top = module.split(".")[0]
                assert top in known | {"lensfit"} | sys.stdlib_module_names, f"{file} imports {top}"


def all_classes():
    for info in pkgutil.walk_packages(lensfit.__path__, "lensfit."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == info.name:
                yield value


def test_a_class_is_abstract_or_final():
    """No class that can be made stands below another that can be made."""
    for cls in all_classes():
        bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("lensfit")]
        if issubclass(cls, BaseException):
            continue
        concrete = [base for base in bases if dataclasses.is_dataclass(base) and not inspect.isabstract(base)]
        assert not concrete, f"{cls.__name__} extends {concrete}"
        assert len(bases) <= 3, f"{cls.__name__} is {len(bases)} deep"  # Term, LeastSquares, Residuals


def test_pytrees_are_frozen_and_built_without_post_init():
    registered = [cls for cls in all_classes() if dataclasses.is_dataclass(cls)]
    for cls in registered:
        assert not hasattr(cls, "__post_init__"), f"{cls.__name__}: it runs again at every unflatten"
    for cls in (ImagingLikelihood, Quadratic, Space):
        assert cls.__dataclass_params__.frozen  # pyright: ignore


def test_pytree_round_trip_and_replace():
    @pytree_module.pytree
    class Pair:
        number: float
        shape: tuple[int, ...] = pytree_module.static(default=(2,))

    pair = Pair(number=3.0)
    assert jax.tree.leaves(pair) == [3.0]
    doubled = jax.tree.map(lambda v: 2 * v, pair)
    assert doubled.number == 6.0 and doubled.shape == (2,)
    assert pytree_module.replace(pair, number=1.0).number == 1.0 and pair.number == 3.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        pair.number = 4.0  # pyright: ignore
    other = pytree_module.replace(pair, shape=(3,))
    assert jax.tree.structure(pair) != jax.tree.structure(other), "static fields are structure"
    ((path, _),) = jax.tree_util.tree_leaves_with_path(pair)
    assert jax.tree_util.keystr(path) == ".number"


def test_structures_of_two_classes_differ():
    """Equal structures make jit run one class's program for the other where their hashes happen to meet."""

    def structure(cls):
        bare = object.__new__(cls)
        for field in dataclasses.fields(cls):
            object.__setattr__(bare, field.name, "same" if field.metadata.get("static") else 0.0)
        return jax.tree.structure(bare)

    final = [cls for cls in all_classes() if dataclasses.is_dataclass(cls) and not inspect.isabstract(cls)]
    every = {cls: structure(cls) for cls in final}
    found = {cls: tree for cls, tree in every.items() if not jax.tree_util.treedef_is_leaf(tree)}
    same = [(a, b) for a, b in itertools.combinations(found, 2) if found[a] == found[b]]
    assert len(found) > 25 and not same


IMPORT = """
import sys
import lensfit
assert not {"jax", "matplotlib"} & set(sys.modules), "import lensfit is to be quick"
import jax
before = dict(jax.config.values)
from lensfit import *
import lensfit.likelihood.imaging, lensfit.likelihood.interferometer, lensfit.staged
assert {flag: jax.config.values[flag] for flag in before} == before, "a flag was set"
loaded = {"emcee", "dynesty", "numba", "optax", "finufft"} & set(sys.modules)
assert not loaded, loaded
"""


def test_importing_sets_no_flag_and_loads_no_sampler():
    made = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_imports_go_down_only():
    made = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
    )
    assert made.returncode == 0 and "0 broken" in made.stdout, made.stdout + made.stderr


def room(file):
    """The folder of a file, "" for the files beside the rooms."""
    return file.rpartition("/")[0]


def imports(file):
    """(module, name) of what a file takes from lensfit by `from`."""
    for _, node in nodes(ast.ImportFrom, [file]):
        if (node.module or "").split(".")[0] == "lensfit":
            yield from ((node.module, alias.name) for alias in node.names)


def test_nothing_private_is_imported_from_another_room():
    found = []
    for file in FILES:
        for module, name in imports(file):
            path = module.split(".")[1:]
            home = "/".join(path) if (ROOT / "/".join(path)).is_dir() else "/".join(path[:-1])
            private = any(part.startswith("_") for part in (*path, name))
            if private and name != "__version__" and home != room(file):
                found.append(f"{file}: {module}.{name}")
    assert found == []


ROOMS_OF_KINDS = ("datasets", "observations", "likelihood")
OBSERVATIONS = re.compile(r"\w+Observations?")
OF_OBJECTS = ("datasets/field.py", "observations/region.py")
"""Files that ask of what kind an object in the field is, which may be an image too."""


def test_nobody_asks_of_what_kind_data_are():
    """No isinstance on a kind of data or likelihood outside their rooms, and no attribute of a likelihood is probed."""
    terms = [cls for cls in all_classes() if issubclass(cls, Term) and cls.__module__.startswith("lensfit.likelihood.")]
    of_data = {cls.__name__ for cls in (*KINDS, *terms)}
    assert {"Imaging", "Interferometer", "Observations", "ImagingLikelihood", "PixelImagingLikelihood"} <= of_data
    asked = []
    for file, call in nodes(ast.Call):
        function = ast.unparse(call.func)
        said = re.findall(r"\w+", ast.unparse(call))
        kinds = bool(of_data & {*said}) and not file.startswith(ROOMS_OF_KINDS)
        kinds = kinds or any(OBSERVATIONS.fullmatch(name) for name in said)
        probed = function in ("hasattr", "getattr") and "likelihood" in ast.unparse(call.args[0])
        if (function in ("isinstance", "issubclass") and kinds) or probed:
            asked.append(f"{file}:{call.lineno}: {ast.unparse(call)}")
    assert asked == []


def test_what_is_done_with_a_kind_of_data_stands_in_tables():
    """Nobody compares the kind of a term with a word for one, or looks for a part of it: a table has it as a key."""
    words = {cls.kind for cls in all_classes() if issubclass(cls, Term) and hasattr(cls, "kind")}
    assert {"image", "visibilities", "pixels image", "pixels visibilities"} <= words
    asked = []
    for file, node in nodes(ast.Compare | ast.Call):
        said = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
        compared = isinstance(node, ast.Compare) and said & words and re.search(r"\bkind\b", ast.unparse(node))
        looked = isinstance(node, ast.Call) and re.search(r"\bkind\.(starts|ends)with$", ast.unparse(node.func))
        if looked or (compared and file not in OF_OBJECTS):
            asked.append(f"{file}:{node.lineno}: {ast.unparse(node)}")
    assert asked == []


MOST_PRIVATE, MOST_OF_A_NAME = 15, 2


def test_one_concept_is_one_file():
    """Few files are private, and no name of a file in three rooms or more."""
    counts = collections.Counter(file.rpartition("/")[2] for file in FILES)
    del counts["__init__.py"]
    assert [name for name, count in counts.items() if count > MOST_OF_A_NAME] == []
    private = [file for file in FILES if re.search(r"(^|/)_[a-z]\w*\.py$", file)]
    assert len(private) <= MOST_PRIVATE, private


def test_the_plan_names_every_room():
    """The table of rooms of docs/architecture.md: every folder and no other; a file says itself what it is for."""
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    first = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("|"))
    told = [name.rstrip("/") for name in re.findall(r"`lensfit/([^`]+)`", first)]
    known = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert len(told) == len(set(told)), "a room is named once"
    assert set(told) == known
