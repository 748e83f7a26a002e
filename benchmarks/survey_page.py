"""The page of a survey of many rows in a real browser: python benchmarks/survey_page.py OUT [--rows 5000 20000].

Writes surveys of invented rows into OUT (thumbnails and reports of a few), opens index.html of each in headless
Chromium (its path in CHROMIUM, else `chromium`) by Playwright, and prints: seconds to the first screen, to filter, to
sort; rows in the document; memory of the page and of the browser; whether the report opened from a row is the right
one. Leaves pictures in OUT.
"""
from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

import numpy as np
import psutil
from matplotlib.image import imsave
from playwright.sync_api import Page, sync_playwright

from lensfit.survey import Lens, Tally
from lensfit.survey.index_page import INDEX, write_index
from lensfit.survey.outcome import THUMBNAIL, Outcome, State

KINDS = ("TRUSTED", "TRUSTED", "TRUSTED", "NOT TRUSTED", "UNCHECKED")


def invented(out: Path, rows: int) -> None:
    """A survey of so many rows; every folder has a thumbnail and a report."""
    random = np.random.default_rng(rows)
    (out / "lenses").mkdir(parents=True)
    pictures = [random.integers(0, 255, (96, 390, 3), np.uint8) for _ in range(5)]
    for number, picture in enumerate(pictures):
        imsave(out / f"{number}.jpg", picture)
    lenses, outcomes, tally = [], [], Tally(total=rows)
    for k in range(rows):
        name = f"EUCL J{k:06}"
        folder = out / "lenses" / name
        folder.mkdir()
        os.link(out / f"{k % 5}.jpg", folder / THUMBNAIL)
        (folder / "report.html").write_text(f"<title>report of {name}</title><h1>{name}</h1>")
        lenses.append(Lens(name=name, options={}, base=out, columns={"ra": random.uniform(0, 360), "dec": 0.001 * k}))
        radius = {"value": random.uniform(0.5, 2.0), "total": random.uniform(0.001, 0.05)}
        word = KINDS[k % 5]
        reasons = [] if word == "TRUSTED" else ["the residuals on the arcs exceed the noise: 0.12 of it is left"]
        found = {"verdict": word, "trusted": word == "TRUSTED", "reasons": reasons, "einstein_radius": radius,
                 "chi2": random.normal(3000, 80), "data_count": 3000, "signal_to_noise": random.uniform(20, 300),
                 "notes": ["mask chosen from the data: a disc of 2.61 arcsec about (0.02, -0.03)"]}  # fmt: skip
        state = State.FAILED if k % 97 == 96 else State.DONE
        reason = "data.fits: 3 pixels hold no number, the first at row 4, column 7" if state is State.FAILED else ""
        outcomes.append(Outcome(name=name, key="", state=state, reason=reason, found=found if not reason else {},
                                cost={"cpu_seconds": random.uniform(2, 6)}))  # fmt: skip
        tally = tally.after(outcomes[-1])
    begun = time.process_time()
    write_index(out, lenses, outcomes, tally)
    size = (out / INDEX).stat().st_size / 2**20
    print(f"{rows} rows: index.html of {size:.1f} MiB written in {time.process_time() - begun:.2f} CPU s")


def seconds(page: Page, action: str) -> float:
    """Until an action in the page is drawn."""
    script = f"""async () => {{ const begun = performance.now(); {action};
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return (performance.now() - begun) / 1000; }}"""
    return float(page.evaluate(script))


def looked_at(out: Path, rows: int) -> None:
    """Open, filter, sort, scroll, follow a row to its report."""
    with sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        begun = time.perf_counter()
        page.goto((out / INDEX).absolute().as_uri(), wait_until="load")
        page.wait_for_selector(".row img")
        opened = time.perf_counter() - begun
        page.wait_for_timeout(500)
        page.screenshot(path=out / "opened.png")
        words = "document.getElementById('words')"
        filtered = seconds(page, f"{words}.value = 'J0000'; {words}.dispatchEvent(new Event('input'))")
        few = page.inner_text("#count")
        page.click("#clear")
        page.wait_for_timeout(200)
        ordered = seconds(page, "document.querySelector('#head button[data-column=\"4\"]').click()")
        values = [float(text) for text in page.locator(".row .value:nth-of-type(3)").all_inner_texts()]
        assert values == sorted(values) and len(values) > 5, values
        page.click("#verdicts button:has-text('UNCHECKED')")
        page.select_option("#which", "2")
        page.fill("#least", "100")
        page.wait_for_timeout(300)
        page.screenshot(path=out / "chosen.png")
        page.evaluate("document.getElementById('table').scrollTop = 1e9")
        page.wait_for_timeout(500)
        drawn = page.locator(".row").count()
        heap = page.evaluate("performance.memory.usedJSHeapSize") / 2**20
        processes = [p for p in psutil.Process().children(recursive=True) if "renderer" in " ".join(p.cmdline())]
        resident = max(p.memory_full_info().uss for p in processes) / 2**20
        row = page.locator(".row").last
        name = row.locator(".name a").inner_text()
        row.locator(".name a").click()
        page.wait_for_load_state()
        assert page.title() == f"report of {name}", page.title()
        page.screenshot(path=out / "report.png")
        print(f"{rows} rows: first screen {opened:.2f} s, filter {filtered:.2f} s ({few}), sort {ordered:.2f} s; "
              f"{drawn} rows in the document; heap {heap:.0f} MiB, renderer {resident:.0f} MiB; "
              f"report of {name} opened; {len(complaints)} complaints {complaints[:3]}", flush=True)  # fmt: skip
        browser.close()


def main() -> None:
    """Write and open the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 20000])
    arguments = parser.parse_args()
    for rows in arguments.rows:
        out = arguments.out / f"rows{rows}"
        shutil.rmtree(out, ignore_errors=True)
        invented(out, rows)
        looked_at(out, rows)


if __name__ == "__main__":
    main()
