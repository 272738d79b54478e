"use strict";
// Three views of the same rows: a map of sources, the light curve of one object, and a list of objects.
const get = id => document.getElementById(id);
const { objects, epochs, map: layout, threshold } = JSON.parse(get("facts").textContent);
const stamps = get("stamps").textContent.trim().split("\n");
const INK = "#102a43", SOFT = "#829ab1", PAGE = 100;
// Band colours of Rubin's plotting recommendations (RTN-045).
const BANDS = { u: "#1600ea", g: "#31a61f", r: "#b52626", i: "#8a5a00", z: "#ba52ff", y: "#3a86a0" };
const rows = epochs.id.map((_, row) => row), sources = rows.filter(row => epochs.id[row]);
const ofObject = objects.id.map(() => []);
for (const row of rows) ofObject[epochs.object[row]].push(row);
const snr = row => epochs.error[row] ? Math.abs(epochs.flux[row]) / epochs.error[row] : null;
const shownAs = (value, digits) => value === null ? "–" : value.toFixed(digits);
const words = text => text.replaceAll("_", " ");

// What lies where, and in which colour.
const logSnr = row => Math.log10(Math.max(snr(row) ?? 0.1, 0.1));
const AXES = {
  map: { x: row => layout.x[row], y: row => layout.y[row] },
  score: { x: row => epochs.score[row], y: logSnr, names: ["score", "log SNR"] },
  sky: { x: row => objects.ra[epochs.object[row]], y: row => objects.dec[epochs.object[row]], names: ["ra", "dec"], flip: true },
  time: { x: row => epochs.mjd[row], y: logSnr, names: ["MJD", "log SNR"] },
};
const isConfirmed = object => objects.confirmation[object] === "confirmed";
const LABEL_COLORS = { real: "#0f766e", bogus: "#c2410c", undecided: "#9aa5b1" };
const COLORINGS = {
  score: () => colorByNumbers(map, get("legend"), epochs.score, 0, 1),
  label: () => colorByWords(map, get("legend"), epochs.label, LABEL_COLORS),
  confirmation: () => colorByWords(map, get("legend"), rows.map(row => words(objects.confirmation[epochs.object[row]])), { confirmed: "#0f766e" }),
  snr: () => colorByNumbers(map, get("legend"), rows.map(snr), 3, 100, Math.log),
  band: () => colorByWords(map, get("legend"), epochs.band, BANDS),
};

const newPlane = () => new AxesPlane(AXES[get("axes").value], sources);
let passing = [], chosen = -1, order = "sources", rising = false, listed = PAGE;
const map = new PointMap(get("map"), rows.length, newPlane(), showTip, row => { if (row !== null) select(epochs.object[row]); });
map.rings = () => {
  const marked = map.at === null ? -1 : epochs.object[map.at];
  return [[marked, SOFT], [chosen, INK]].flatMap(([object, color]) => (ofObject[object] ?? []).map(row => [row, color]));
};

function passes(object) {
  const text = get("find").value.trim(), word = get("confirmation").value, label = get("label").value;
  if (word && objects.confirmation[object] !== word || label && objects.label[object] !== label) return false;
  if (objects.sources[object] < +get("fewest").value) return false;
  return !text || objects.id[object].includes(text) || ofObject[object].some(row => epochs.id[row].includes(text));
}

// Show the point under the pointer beside it.
function showTip(row) {
  const tip = get("tip"), spot = map.spots.get(row), box = get("map").getBoundingClientRect();
  tip.hidden = !spot;
  if (!spot) return;
  tip.replaceChildren(...drawEpoch(row).childNodes);
  tip.style.left = Math.max(4, Math.min(box.x + spot[0] + 14, window.innerWidth - 262)) + "px";
  tip.style.top = Math.max(4, Math.min(box.y + spot[1] + 14, window.innerHeight - tip.offsetHeight - 8)) + "px";
}

function badge(score) {
  return element("span", "badge" + (score === null ? "" : score >= threshold ? " real" : " bogus"), shownAs(score, 3));
}

function drawEpoch(row) {
  const card = element("article", "card"), text = element("div", "text"), name = element("div", "name");
  card.dataset.row = row;
  name.append(element("span", "", `MJD ${shownAs(epochs.mjd[row], 3)} ${epochs.band[row]}`));
  if (epochs.id[row]) {
    name.append(badge(epochs.score[row]));
    text.append(name, element("div", "", `flux ${shownAs(epochs.flux[row], 0)} ± ${shownAs(epochs.error[row], 0)} nJy`));
    const what = epochs.label[row] === "undecided" && !epochs.reason[row] ? "" : epochs.label[row];
    if (what) text.append(element("div", "", what + (epochs.reason[row] ? ": " + words(epochs.reason[row]) : "")));
    if (epochs.flags[row]) text.append(element("div", "soft", epochs.flags[row]));
    text.append(element("div", "soft copy", epochs.id[row]));
  } else {
    text.append(name, element("div", "soft", `not found; 5σ ${shownAs(epochs.error[row] && 5 * epochs.error[row], 0)} nJy`));
  }
  text.append(element("div", "soft", `visit ${epochs.visit[row]}, detector ${epochs.detector[row]}`));
  const number = epochs.stamp[row];
  if (number >= 0) card.append(fillStrip(element("div", "strip"), stamps[number], epochs.roles, epochs.id[row]));
  card.append(text);
  return card;
}

function svg(kind, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawCurve(rows) {
  const width = 720, height = 300, left = 66, right = 12, top = 12, bottom = 40;
  const found = rows.filter(row => epochs.flux[row] !== null), limits = rows.filter(row => !epochs.id[row] && epochs.error[row] !== null);
  const spread = found.flatMap(row => [-1, 1].map(sign => epochs.flux[row] + sign * (epochs.error[row] ?? 0)));
  const times = range(rows.map(row => epochs.mjd[row])), fluxes = range([...spread, ...limits.map(row => 5 * epochs.error[row]), 0]);
  const x = mjd => left + (mjd - times[0]) / (times[1] - times[0]) * (width - left - right);
  const y = flux => top + (fluxes[1] - flux) / (fluxes[1] - fluxes[0]) * (height - top - bottom);
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "light curve" });
  for (const [value, digits] of ticks(fluxes, 5)) {
    plot.append(svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), stroke: value ? "#e4e7eb" : "#829ab1", "stroke-dasharray": value ? "none" : "4 3" }));
    plot.append(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(digits)));
  }
  for (const [value, digits] of ticks(times, 6)) {
    plot.append(svg("line", { x1: x(value), x2: x(value), y1: height - bottom, y2: height - bottom + 4, stroke: "#829ab1" }));
    plot.append(svg("text", { x: x(value), y: height - bottom + 16, "text-anchor": "middle" }, value.toFixed(digits)));
  }
  plot.append(svg("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, "MJD (TAI)"));
  plot.append(svg("text", { x: 0, y: 0, transform: `translate(12 ${height / 2}) rotate(-90)`, "text-anchor": "middle" }, "difference flux (nJy)"));
  for (const row of limits) {
    const at = [x(epochs.mjd[row]), y(5 * epochs.error[row])], colour = BANDS[epochs.band[row]] ?? NOTHING;
    plot.append(svg("path", { d: `M${at[0] - 5} ${at[1] - 4}h10l-5 8z`, fill: "#fff", stroke: colour, "data-row": row }));
  }
  for (const row of found) {
    const colour = BANDS[epochs.band[row]] ?? NOTHING, at = { cx: x(epochs.mjd[row]), cy: y(epochs.flux[row]) };
    const error = epochs.error[row] ?? 0, good = epochs.score[row] !== null && epochs.score[row] >= threshold;
    plot.append(svg("line", { x1: at.cx, x2: at.cx, y1: y(epochs.flux[row] - error), y2: y(epochs.flux[row] + error), stroke: colour }));
    plot.append(svg("circle", { ...at, r: 5, fill: good ? colour : "#fff", stroke: colour, "stroke-width": 1.6, "data-row": row }));
  }
  return plot;
}

function keyOf(rows) {
  const key = element("div", "soft");
  for (const band of [...new Set(rows.map(row => epochs.band[row]))].sort()) {
    const name = element("b", "", band + " ");
    name.style.color = BANDS[band] ?? NOTHING;
    key.append(name);
  }
  key.append(`Filled: score from ${threshold}. Triangles: images without a source, at five errors.`);
  return key;
}

function select(object) {
  chosen = object;
  const there = object >= 0, mine = there ? ofObject[object] : [];
  get("name").textContent = there ? objects.id[object] : "No object passes the filter.";
  get("name").className = there ? "copy" : "";
  get("about").textContent = there ? [
    words(objects.confirmation[object]), `label ${objects.label[object]}`,
    `${objects.sources[object]} sources` + (objects.visits[object] >= 0 ? ` in ${objects.visits[object]} visits` : ""),
    `ra, dec ${shownAs(objects.ra[object], 6)} ${shownAs(objects.dec[object], 6)}`,
    ...(objects.crowded[object] ? ["crowded"] : []),
  ].join(" · ") : "";
  get("curve").replaceChildren(...(there ? [drawCurve(mine), keyOf(mine)] : []));
  document.querySelector(".epochs").replaceChildren(...mine.map(drawEpoch));
  if (there) history.replaceState(null, "", "#" + objects.id[object]);
  for (const line of document.querySelectorAll("tbody tr")) line.classList.toggle("marked", +line.dataset.object === object);
  map.drawRing();
}

function drawList() {
  const key = objects[order], sign = rising ? 1 : -1;
  const sorted = [...passing].sort((a, b) => {
    if (key[a] === key[b]) return a - b;
    if (key[a] === null || key[b] === null) return key[a] === null ? 1 : -1;
    return sign * (key[a] < key[b] ? -1 : 1);
  });
  document.querySelector("tbody").replaceChildren(...sorted.slice(0, listed).map(object => {
    const line = element("tr", object === chosen ? "marked" : "");
    line.dataset.object = object;
    line.tabIndex = 0;
    const cell = (text, left) => line.append(element("td", left ? "l" : "", text));
    cell(objects.id[object], true);
    cell(objects.sources[object]);
    cell(objects.visits[object] < 0 ? "–" : objects.visits[object]);
    cell(objects.above[object]);
    cell(shownAs(objects.score[object], 3));
    cell(words(objects.confirmation[object]), true);
    cell(objects.label[object], true);
    cell(`${shownAs(objects.ra[object], 6)} ${shownAs(objects.dec[object], 6)}`);
    return line;
  }));
  for (const head of document.querySelectorAll("th[data-by]")) head.classList.toggle("sorted", head.dataset.by === order);
  get("more").hidden = sorted.length <= listed;
  return sorted;
}

function show() {
  passing = objects.id.map((_, object) => object).filter(passes);
  get("count").textContent = `${passing.length} of ${objects.id.length} objects`;
  const sorted = drawList(), wanted = new Set(passing);
  map.rows = sources.filter(row => wanted.has(epochs.object[row]) && map.plane.has(row));
  COLORINGS[get("colour").value]();
  select(passing.includes(chosen) ? chosen : sorted[0] ?? -1);
}

function mark(event) {
  const row = event.target.dataset?.row ?? event.target.closest?.(".card")?.dataset.row;
  for (const card of document.querySelectorAll(".epochs .card")) card.classList.toggle("marked", card.dataset.row === row);
  for (const spot of document.querySelectorAll("#curve [data-row]")) spot.setAttribute("stroke-width", spot.dataset.row === row ? 4 : 1.6);
}

document.querySelector("tbody").addEventListener("click", event => { const line = event.target.closest("tr"); if (line) select(+line.dataset.object); });
document.querySelector("tbody").addEventListener("keydown", event => {
  const line = event.target.closest("tr"), next = { ArrowDown: line.nextElementSibling, ArrowUp: line.previousElementSibling }[event.key];
  if (event.key === "Enter") select(+line.dataset.object);
  if (next) { event.preventDefault(); next.focus(); select(+next.dataset.object); }
});
for (const head of document.querySelectorAll("th[data-by]")) head.addEventListener("click", () => {
  rising = order === head.dataset.by && !rising;
  order = head.dataset.by;
  drawList();
});
get("object").addEventListener("pointerover", mark);
get("more").addEventListener("click", () => { listed += PAGE; drawList(); });
get("filter").addEventListener("input", event => { if (event.target.id === "axes") map.plane = newPlane(); listed = PAGE; show(); });
get("filter").addEventListener("reset", () => setTimeout(() => { map.plane = newPlane(); show(); }));
chosen = objects.id.indexOf(location.hash.slice(1));
show();
