"""Style and script of a survey's page: plain JavaScript that sorts, filters, and draws the rows in view."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1d21; --soft: #5b6270; --line: #d9dde3; --paper: #ffffff;
  --panel: #f5f6f8; --good: #0b6b3a; --open: #8a5a00; --bad: #a4161a; --off: #6a7180; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a4abb8; --line: #3a3f49;
  --paper: #16181c; --panel: #20242a; --good: #1c8a52; --open: #a9700a; --bad: #c9302f; } }
* { box-sizing: border-box; }
html, body { height: 100%; }
body { margin: 0; display: flex; flex-direction: column; background: var(--paper); color: var(--ink);
  font: 15px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header { padding: 0.6rem 1rem 0.5rem; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.2rem; margin: 0; overflow-wrap: anywhere; }
#told { margin: 0.1rem 0 0.5rem; color: var(--soft); font-size: 0.9rem; }
#verdicts { display: flex; flex-wrap: wrap; gap: 0.4rem; margin-bottom: 0.5rem; }
#filters { display: flex; flex-wrap: wrap; gap: 0.4rem; align-items: center; }
input, select, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line);
  border-radius: 4px; padding: 0.2rem 0.5rem; }
#words { width: 16rem; } #least, #most { width: 7rem; }
button { cursor: pointer; background: var(--panel); }
#verdicts button { color: #ffffff; border: 0; font-weight: 600; }
#verdicts button[aria-pressed="false"] { opacity: 0.35; }
#count { color: var(--soft); margin-left: 0.4rem; }
#table { flex: 1; overflow: auto; position: relative; }
#head, .row { display: grid; grid-template-columns: 316px minmax(14rem, 1fr) 8rem repeat(var(--numbers), 5.6rem);
  column-gap: 0.6rem; padding: 0 1rem; align-items: center; width: 100%;
  min-width: calc(316px + 26rem + var(--numbers) * 6.2rem); }
#head { position: sticky; top: 0; z-index: 1; background: var(--panel); border-bottom: 1px solid var(--line); }
#head button { border: 0; background: none; padding: 0.35rem 0; text-align: left; font-weight: 600;
  color: var(--soft); }
#head button.number { text-align: right; }
#head button[data-order] { color: var(--ink); }
#head button[data-order="1"]::after { content: " \\25B2"; } #head button[data-order="-1"]::after { content: " \\25BC"; }
#space { position: relative; }
.row { position: absolute; left: 0; height: 84px; border-bottom: 1px solid var(--line); }
.row img { width: 316px; height: 78px; display: block; background: var(--panel); border-radius: 3px; }
.row a { color: inherit; }
.name { min-width: 0; }
.name a { font-weight: 600; overflow-wrap: anywhere; }
.name p { margin: 0; font-size: 0.8rem; line-height: 1.25; color: var(--soft); max-height: 3.75em; overflow: hidden; }
.badge { display: inline-block; padding: 0.1rem 0.5rem; border-radius: 4px; color: #ffffff; font-weight: 600;
  font-size: 0.8rem; white-space: nowrap; background: var(--off); }
.TRUSTED { background: var(--good); } .UNCHECKED { background: var(--open); }
.NOT, .FAILED { background: var(--bad); }
.value { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.none { padding: 2rem; color: var(--soft); }
"""

SCRIPT = r"""
"use strict";
const found = JSON.parse(document.getElementById("lenses").textContent);
const FIRST = 4, ROW = 84, BEYOND = 6;
const rows = found.rows, columns = found.columns;
const space = document.getElementById("space"), table = document.getElementById("table");
const words = document.getElementById("words"), which = document.getElementById("which");
const least = document.getElementById("least"), most = document.getElementById("most");
const searched = rows.map(row => (row[0] + " " + row[2] + " " + row[3]).toLowerCase());
let shown = rows.map((_, k) => k), order = {column: -1, sign: 1}, drawn = new Map();
const verdicts = ["TRUSTED", "NOT TRUSTED", "UNCHECKED", "DONE", "FAILED", "WAITING"];
const wanted = new Set(verdicts);
document.documentElement.style.setProperty("--numbers", columns.length);

function make(tag, parent, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function told(value, key) {
  if (value === null) return "\u2014";
  if (key === "ra" || key === "dec") return value.toFixed(5);
  const size = Math.abs(value);
  if (key === "radius_total" && size > 0) return value.toPrecision(2);
  return size >= 1e5 || (size > 0 && size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}

function head() {
  const bar = document.getElementById("head");
  bar.replaceChildren();
  make("span", bar, "", "data, model, residual, source");
  const all = [[0, "lens"], [1, "verdict"], ...columns.map((column, k) => [FIRST + k, column[1]])];
  for (const [index, title] of all) {
    const button = make("button", bar, index >= FIRST ? "number" : "", title);
    button.dataset.column = index;
    if (order.column === index) button.dataset.order = order.sign;
    button.addEventListener("click", () => {
      order = {column: index, sign: order.column === index ? -order.sign : 1};
      head();
      choose();
    });
  }
}

function badges() {
  const bar = document.getElementById("verdicts");
  for (const verdict of verdicts) {
    const count = rows.reduce((sum, row) => sum + (row[1] === verdict), 0);
    if (!count) continue;
    const button = make("button", bar, "badge " + verdict, verdict + " " + count.toLocaleString("en"));
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const off = wanted.delete(verdict);
      if (!off) wanted.add(verdict);
      button.setAttribute("aria-pressed", String(!off));
      choose();
    });
  }
}

function compare(a, b) {
  const one = rows[a][order.column], other = rows[b][order.column];
  if (one === other) return a - b;
  if (one === null) return 1;
  if (other === null) return -1;
  return order.sign * (typeof one === "string" ? one.localeCompare(other, "en", {numeric: true}) : one - other);
}

function choose() {
  const text = words.value.trim().toLowerCase(), column = FIRST + Number(which.value);
  const low = least.value === "" ? -Infinity : Number(least.value);
  const high = most.value === "" ? Infinity : Number(most.value);
  const limited = low !== -Infinity || high !== Infinity;
  shown = [];
  rows.forEach((row, k) => {
    if (!wanted.has(row[1]) || (text && !searched[k].includes(text))) return;
    if (limited && (row[column] === null || row[column] < low || row[column] > high)) return;
    shown.push(k);
  });
  if (order.column >= 0) shown.sort(compare);
  document.getElementById("count").textContent =
    shown.length.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " shown";
  space.style.height = shown.length * ROW + "px";
  table.scrollTop = 0;
  space.replaceChildren();
  drawn = new Map();
  if (!shown.length) make("p", space, "none", "No lens is like that.");
  draw();
}

function drawRow(place) {
  const row = rows[shown[place]], verdict = row[1], line = make("div", space, "row");
  line.style.top = place * ROW + "px";
  line.setAttribute("role", "row");
  const folder = found.folder + "/" + encodeURIComponent(row[0]) + "/";
  const ended = verdict !== "WAITING", fitted = ended && verdict !== "FAILED";
  const picture = make(fitted ? "img" : "span", line);
  if (fitted) {
    picture.loading = "lazy";
    picture.decoding = "async";
    picture.alt = "data, model, residual and source of " + row[0];
    picture.src = folder + found.thumbnail;
    picture.addEventListener("error", () => { picture.style.visibility = "hidden"; });
  }
  const name = make("div", line, "name");
  const link = make(ended ? "a" : "span", name, "", row[0]);
  if (ended) link.href = folder + (fitted ? found.report : found.log);
  if (row[2] || row[3]) make("p", name, "", row[2] || row[3]).title = [row[2], row[3]].filter(Boolean).join("\n");
  make("span", make("div", line), "badge " + verdict, verdict);
  columns.forEach((column, k) => make("div", line, "value", told(row[FIRST + k], column[0])));
  return line;
}

function draw() {
  const first = Math.max(0, Math.floor(table.scrollTop / ROW) - BEYOND);
  const last = Math.min(shown.length, Math.ceil((table.scrollTop + table.clientHeight) / ROW) + BEYOND);
  for (const [place, line] of drawn) {
    if (place < first || place >= last) { line.remove(); drawn.delete(place); }
  }
  for (let place = first; place < last; place++) {
    if (!drawn.has(place)) drawn.set(place, drawRow(place));
  }
}

columns.forEach((column, k) => {
  make("option", which, "", column[1] + (column[2] ? " [" + column[2] + "]" : "")).value = k;
});
let asked = false;
table.addEventListener("scroll", () => {
  if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); }
});
window.addEventListener("resize", draw);
for (const field of [words, least, most, which]) field.addEventListener("input", choose);
document.getElementById("filters").addEventListener("submit", event => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => setTimeout(choose));
head();
badges();
choose();
"""
