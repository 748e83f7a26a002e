"""CPU seconds of `lensfit fit` in fresh processes, cold and warm, and where they go.

    python benchmarks/first_fit.py                  the bundled lens: an empty cache, then twice a full one
    python benchmarks/first_fit.py DATA ...         these one after the other, from an empty cache on
    python benchmarks/first_fit.py --options="--pixel-scale 0.05" ...   with these of `lensfit fit`
    python benchmarks/first_fit.py --cache DIR ...  with the programs that lie in a folder, and kept there

One row a process, CPU time of all threads (user and system), each second counted in one part alone. imports: of
modules. tracing, lowering, compile: of JAX programs; load: reading compiled ones. kernels: native ones, compiled or
loaded. figures: drawing and writing them, with all else that is written. rest: arithmetic, reading, Python. programs
and compiled: how many were asked for, and how many of them no cache had. first: until the first likelihood was there.
loop: seconds of a fixed Python loop just before, about 1 on an idle machine: a busy one makes all numbers larger.
"""
from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data" / "jwst_mock"
PARTS = ("imports", "tracing", "lowering", "compile", "load", "kernels", "figures", "rest")
EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering",
    "/jax/core/compile/backend_compile_duration": "compile",
}


class Split:
    """CPU seconds by part: those of a part within another are not the other's."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter({"rest": time.process_time()})
        self.named: Counter[str] = Counter()
        self.programs = self.compiled = 0
        self.first: float | None = None
        self.begun: list[float] = []
        self.stack, self.last = ["rest"], time.process_time()

    def turn(self) -> None:
        """What was spent since the last turn is of the part that is on."""
        now = time.process_time()
        self.spent[self.stack[-1]] += now - self.last
        self.last = now

    def enter(self, part: str) -> None:
        """A part begins."""
        self.turn()
        self.stack.append(part)

    def leave(self) -> None:
        """It ends."""
        self.turn()
        self.stack.pop()

    def counted(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function with its seconds in a part."""

        @wraps(function)
        def within(*arguments: Any, **options: Any) -> Any:
            self.enter(part)
            try:
                return function(*arguments, **options)
            finally:
                self.leave()

        return within


def watch(split: Split) -> None:
    """Count what imports, JAX, kernels and figures take from now on."""
    bootstrap: Any = importlib.import_module("importlib._bootstrap")
    bootstrap._find_and_load = split.counted(bootstrap._find_and_load, "imports")
    dispatch: Any = importlib.import_module("jax._src.dispatch")
    timed = dispatch.LogElapsedTimeContextManager
    begin, end = timed.__enter__, timed.__exit__

    def enter(self: Any) -> Any:
        split.enter(EVENTS.get(self.event, split.stack[-1]))
        split.begun.append(time.process_time())
        return begin(self)

    def leave(self: Any, *error: Any) -> Any:
        split.leave()
        part = EVENTS.get(self.event)
        split.programs += part == "lowering"
        split.named[f"{part} {self.fun_name}"] += time.process_time() - split.begun.pop()
        return end(self, *error)

    timed.__enter__, timed.__exit__ = enter, leave
    cache: Any = importlib.import_module("jax._src.compilation_cache")
    found = split.counted(cache.get_executable_and_time, "load")

    def loaded(*arguments: Any, **options: Any) -> Any:
        answer = found(*arguments, **options)
        split.compiled += answer[0] is None
        return answer

    cache.get_executable_and_time = loaded
    _watch_lensfit(split)


def _watch_lensfit(split: Split) -> None:
    """The same of lensfit's own, and when the first likelihood is there."""
    door: Any = importlib.import_module("lensfit.native.door")
    door.load = split.counted(door.load, "kernels")
    lm: Any = importlib.import_module("lensfit.staged.case")
    descend = lm.descend

    def first(*arguments: Any, **options: Any) -> Any:
        found = descend(*arguments, **options)
        if split.first is None:
            float(found.point.objective)
            split.first = time.process_time()
        return found

    lm.descend = first
    analysis: Any = importlib.import_module("lensfit.analysis.analysis")
    for name in ("write_results", "write_report"):
        setattr(analysis, name, split.counted(getattr(analysis, name), "figures"))


def child(data: str, out: str, most: int, options: list[str]) -> None:
    """One command in this process; prints its row as JSON."""
    split = Split()
    watch_imports = split.counted(importlib.import_module, "imports")
    start_up: Any = watch_imports("lensfit.start_up")
    start_up.setup()
    for name in ("jax", "lensfit.analysis"):
        watch_imports(name)
    watch(split)
    main = watch_imports("lensfit.cli").main
    split.enter("rest")
    code = main(["fit", data, "--out", out, "--quiet", *options])
    split.leave()
    row = {part: split.spent[part] for part in PARTS}
    row |= {"first": split.first, "programs": split.programs, "compiled": split.compiled, "code": code}
    row["longest"] = split.named.most_common(most)
    print("\n" + json.dumps(row))


def loop() -> float:
    """CPU seconds of a fixed loop."""
    start, total = time.process_time(), 0
    for k in range(12_000_000):
        total += k * k
    return time.process_time() - start


def row_of(data: str, cache: str, most: int, options: str) -> dict[str, Any]:
    """The row of a fresh process."""
    speed = loop()
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
    before = os.times()
    with tempfile.TemporaryDirectory() as out:
        asked = ["--longest", str(most), f"--options={options}"]
        command = [sys.executable, __file__, "--child", data, f"{out}/run", *asked]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    after = os.times()
    if done.returncode or json.loads(done.stdout.splitlines()[-1])["code"] not in (0, 4):
        raise SystemExit(f"{data}: exit code {done.returncode}\n{done.stderr}")
    row = json.loads(done.stdout.splitlines()[-1])
    row["all"] = after.children_user + after.children_system - before.children_user - before.children_system
    return row | {"loop": speed}


def show(name: str, row: dict[str, Any]) -> None:
    """One row, and its longest programs."""
    columns = ("all", *PARTS, "first", "loop")
    print(f"{name:16s}" + "".join(f"  {c} {row[c] or 0:.2f}" for c in columns)
          + f"  programs {row['programs']}  compiled {row['compiled']}  exit {row['code']}", flush=True)  # fmt: skip
    for what, seconds in row["longest"]:
        print(f"{'':16s}    {seconds:6.2f}  {what}", flush=True)


def main() -> None:
    """The rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--cache")
    parser.add_argument("--longest", type=int, default=0, help="programs that took longest, traced, lowered, compiled")
    parser.add_argument("--options", default="", help="of lensfit fit, as '--pixel-scale 0.05'")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.data, arguments.longest, arguments.options.split())
        return
    with tempfile.TemporaryDirectory() as fresh:
        cache = arguments.cache or fresh
        for data in arguments.data or [str(DATA)] * 3:
            show(Path(data).name, row_of(data, cache, arguments.longest, arguments.options))


if __name__ == "__main__":
    main()
