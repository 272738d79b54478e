"use strict";
// Three views of the same rows: a map of sources, the light curve of one object, and a list of objects.
const get = id => document.getElementById(id);
const { objects, epochs, map, threshold } = JSON.parse(get("facts").textContent);
const stamps = get("stamps").textContent.trim().split("\n");
const REAL = [15, 118, 110], BOGUS = [194, 65, 12], GREY = [160, 168, 178], INK = "#102a43", PAGE = 100;
// Band colours of Rubin's plotting recommendations (RTN-045).
const BANDS = { u: "#1600ea", g: "#31a61f", r: "#b52626", i: "#8a5a00", z: "#ba52ff", y: "#3a86a0" };
const rows = epochs.id.map((_, row) => row), sources = rows.filter(row => epochs.id[row]);
const ofObject = objects.id.map(() => []);
for (const row of rows) ofObject[epochs.object[row]].push(row);
const snr = row => epochs.error[row] ? Math.abs(epochs.flux[row]) / epochs.error[row] : null;
const shownAs = (value, digits) => value === null ? "–" : value.toFixed(digits);
const words = text => text.replaceAll("_", " ");
const rgb = colour => `rgb(${colour.map(Math.round)})`;
const mix = (from, to, part) => rgb(from.map((value, i) => value + (to[i] - value) * part));

// What lies where, and in which colour.
const logSnr = row => Math.log10(Math.max(snr(row) ?? 0.1, 0.1));
const AXES = {
  map: { x: row => map.x[row], y: row => map.y[row], names: ["", ""] },
  score: { x: row => epochs.score[row], y: logSnr, names: ["score", "log SNR"] },
  sky: { x: row => objects.ra[epochs.object[row]], y: row => objects.dec[epochs.object[row]], names: ["ra", "dec"], flip: true },
  time: { x: row => epochs.mjd[row], y: logSnr, names: ["MJD", "log SNR"] },
};
const ofLabel = label => label === "real" ? rgb(REAL) : label === "bogus" ? rgb(BOGUS) : rgb(GREY);
const isConfirmed = object => objects.confirmation[object] === "confirmed";
const byScore = score => score === null ? rgb(GREY) : score < 0.5 ? mix(BOGUS, [226, 213, 180], score * 2) : mix([226, 213, 180], REAL, score * 2 - 1);
const bySnr = row => mix([222, 235, 247], [8, 48, 107], Math.min(Math.max((logSnr(row) - 0.5) / 1.5, 0), 1));
const COLOURS = {
  score: { of: row => byScore(epochs.score[row]), legend: [["score 0", byScore(0)], ["0.5", byScore(0.5)], ["1", byScore(1)], ["none", rgb(GREY)]] },
  label: { of: row => ofLabel(epochs.label[row]), legend: [["real", rgb(REAL)], ["bogus", rgb(BOGUS)], ["undecided", rgb(GREY)]] },
  confirmation: { of: row => isConfirmed(epochs.object[row]) ? rgb(REAL) : rgb(GREY), legend: [["confirmed", rgb(REAL)], ["not", rgb(GREY)]] },
  snr: { of: bySnr, legend: [["SNR 3", mix([222, 235, 247], [8, 48, 107], 0)], ["100", mix([222, 235, 247], [8, 48, 107], 1)]] },
  band: { of: row => BANDS[epochs.band[row]] ?? rgb(GREY), legend: [...new Set(epochs.band)].sort().map(band => [band, BANDS[band] ?? rgb(GREY)]) },
};

const canvas = get("map"), context = canvas.getContext("2d"), MARGIN = 58;
let passing = [], points = [], chosen = -1, hovered = -1, zoom = null, order = "sources", rising = false, listed = PAGE;

function passes(object) {
  const text = get("find").value.trim(), word = get("confirmation").value, label = get("label").value;
  if (word && objects.confirmation[object] !== word || label && objects.label[object] !== label) return false;
  if (objects.sources[object] < +get("fewest").value) return false;
  return !text || objects.id[object].includes(text) || ofObject[object].some(row => epochs.id[row].includes(text));
}

function range(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  if (low > high) return [0, 1];
  const margin = (high - low || 1) * 0.04;
  return [low - margin, high + margin];
}

// Places in pixels of the page; `zoom` is the part of the axes that is shown.
function place() {
  const axes = AXES[get("axes").value], all = sources.filter(row => axes.x(row) !== null && axes.y(row) !== null);
  const width = canvas.clientWidth, height = canvas.clientHeight, inner = [width - MARGIN - 8, height - MARGIN - 8];
  zoom ??= { x: range(all.map(axes.x)), y: range(all.map(axes.y)) };
  const [left, right] = axes.flip ? [...zoom.x].reverse() : zoom.x, [bottom, top] = zoom.y, wanted = new Set(passing);
  points = all.filter(row => wanted.has(epochs.object[row])).map(row => ({
    row,
    x: MARGIN + (axes.x(row) - left) / (right - left) * inner[0],
    y: 8 + (top - axes.y(row)) / (top - bottom) * inner[1],
  })).filter(({ x, y }) => x >= MARGIN && x <= width - 8 && y >= 8 && y <= height - MARGIN);
}

function dot({ x, y }, radius, fill, stroke) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (fill) { context.fillStyle = fill; context.fill(); }
  if (stroke) { context.strokeStyle = stroke; context.lineWidth = 1.6; context.stroke(); }
}

function drawMap() {
  const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.scale(scale, scale);
  const axes = AXES[get("axes").value], colour = COLOURS[get("colour").value].of;
  context.strokeStyle = "#cbd2d9";
  context.strokeRect(MARGIN, 8, width - MARGIN - 8, height - MARGIN - 8);
  context.fillStyle = "#52606d";
  context.font = "12px system-ui, sans-serif";
  const [left, right] = axes.flip ? [...zoom.x].reverse() : zoom.x, [bottom, top] = zoom.y;
  context.textAlign = "center";
  if (axes.names[0]) for (const [value, digits] of ticks(zoom.x, 4)) {
    context.fillText(value.toFixed(digits), MARGIN + (value - left) / (right - left) * (width - MARGIN - 8), height - MARGIN + 14);
  }
  context.fillText(axes.names[0], width / 2, height - 5);
  context.textAlign = "right";
  if (axes.names[1]) for (const [value, digits] of ticks(zoom.y, 5)) {
    context.fillText(value.toFixed(digits), MARGIN - 4, 12 + (top - value) / (top - bottom) * (height - MARGIN - 8));
  }
  context.textAlign = "center";
  context.save();
  context.translate(12, height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(axes.names[1], 0, 0);
  context.restore();
  const radius = points.length > 3000 ? 2 : points.length > 600 ? 3 : 4.5;
  for (const point of points) dot(point, radius, colour(point.row));
  const marked = hovered >= 0 ? epochs.object[hovered] : -1;
  for (const point of points) {
    const object = epochs.object[point.row];
    if (object === chosen || object === marked) dot(point, radius + 2.5, null, object === chosen ? INK : "#829ab1");
  }
  get("legend").replaceChildren(...COLOURS[get("colour").value].legend.map(([name, fill]) => {
    const item = element("span"), spot = element("span", "dot");
    spot.style.background = fill;
    item.append(spot, name);
    return item;
  }));
  canvas.dataset.drawn = "yes";
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

function ticks([low, high], count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(size => size >= rough), found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push([i * step, Math.max(0, -Math.floor(Math.log10(step)))]);
  return found;
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
    const at = [x(epochs.mjd[row]), y(5 * epochs.error[row])], colour = BANDS[epochs.band[row]] ?? rgb(GREY);
    plot.append(svg("path", { d: `M${at[0] - 5} ${at[1] - 4}h10l-5 8z`, fill: "#fff", stroke: colour, "data-row": row }));
  }
  for (const row of found) {
    const colour = BANDS[epochs.band[row]] ?? rgb(GREY), at = { cx: x(epochs.mjd[row]), cy: y(epochs.flux[row]) };
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
    name.style.color = BANDS[band] ?? rgb(GREY);
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
  drawMap();
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
  const sorted = drawList();
  place();
  select(passing.includes(chosen) ? chosen : sorted[0] ?? -1);
}

function nearest(event, reach = 12) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.x, y = event.clientY - box.y;
  let best = -1, least = reach ** 2;
  for (const point of points) {
    const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (distance < least) { least = distance; best = point.row; }
  }
  return best;
}

function hover(event) {
  const row = nearest(event), tip = get("tip");
  if (row !== hovered) {
    hovered = row;
    tip.hidden = row < 0;
    if (row >= 0) tip.replaceChildren(...drawEpoch(row).childNodes);
    drawMap();
  }
  if (row >= 0) {
    tip.style.left = Math.min(event.clientX + 14, window.innerWidth - 262) + "px";
    tip.style.top = Math.max(4, Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8)) + "px";
  }
}

function mark(event) {
  const row = event.target.dataset?.row ?? event.target.closest?.(".card")?.dataset.row;
  for (const card of document.querySelectorAll(".epochs .card")) card.classList.toggle("marked", card.dataset.row === row);
  for (const spot of document.querySelectorAll("#curve [data-row]")) spot.setAttribute("stroke-width", spot.dataset.row === row ? 4 : 1.6);
}

// Zoom about the pointer, and move.
let drag = null;
function rescale(event, factor) {
  const box = canvas.getBoundingClientRect(), flip = AXES[get("axes").value].flip;
  let part = [(event.clientX - box.x - MARGIN) / (box.width - MARGIN - 8), 1 - (event.clientY - box.y - 8) / (box.height - MARGIN - 8)];
  if (flip) part[0] = 1 - part[0];
  ["x", "y"].forEach((axis, i) => {
    const [low, high] = zoom[axis], at = low + (high - low) * part[i];
    zoom[axis] = [at + (low - at) * factor, at + (high - at) * factor];
  });
  place();
  drawMap();
}

canvas.addEventListener("wheel", event => { event.preventDefault(); rescale(event, event.deltaY > 0 ? 1.25 : 0.8); }, { passive: false });
canvas.addEventListener("pointerdown", event => { drag = { x: event.clientX, y: event.clientY, zoom: structuredClone(zoom), moved: false }; });
window.addEventListener("pointerup", () => { drag = null; });
canvas.addEventListener("pointermove", event => {
  if (!drag) return hover(event);
  const step = [event.clientX - drag.x, event.clientY - drag.y];
  drag.moved ||= Math.hypot(...step) > 4;
  if (!drag.moved) return;
  const size = [canvas.clientWidth - MARGIN - 8, canvas.clientHeight - MARGIN - 8], flip = AXES[get("axes").value].flip ? -1 : 1;
  ["x", "y"].forEach((axis, i) => {
    const [low, high] = drag.zoom[axis], by = (i ? 1 : -flip) * step[i] / size[i] * (high - low);
    zoom[axis] = [low + by, high + by];
  });
  canvas.dataset.moved = "yes";
  place();
  drawMap();
});
canvas.addEventListener("pointerleave", () => { hovered = -1; get("tip").hidden = true; drawMap(); });
canvas.addEventListener("click", event => {
  const moved = canvas.dataset.moved, row = nearest(event);
  delete canvas.dataset.moved;
  if (!moved && row >= 0) select(epochs.object[row]);
});
canvas.addEventListener("dblclick", () => { zoom = null; place(); drawMap(); });
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
get("filter").addEventListener("input", event => { if (event.target.id === "axes") zoom = null; listed = PAGE; show(); });
get("filter").addEventListener("reset", () => setTimeout(() => { zoom = null; show(); }));
window.addEventListener("resize", () => { place(); drawMap(); });
chosen = objects.id.indexOf(location.hash.slice(1));
show();
