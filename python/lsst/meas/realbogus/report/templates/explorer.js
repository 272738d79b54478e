// Every source as a dot: its score against SNR or another score. Hovering shows its stamps, a click keeps them.
(() => {
const get = id => document.getElementById(id), facts = JSON.parse(get("facts").textContent);
const stamps = get("packed").textContent.trim().split("\n"), total = facts.id.length;
const threshold = +get("explorer").dataset.threshold, rows = [...Array(total).keys()];
const coded = (name, row) => facts[name].values[facts[name].index[row]];
const shownAs = (value, digits) => value === null ? "–" : value.toFixed(digits);
const words = text => text.replaceAll("_", " "), short = name => name.replace(/^score_/, "");
const COLORS = { real: "#0f766e", bogus: "#c2410c" }, OTHER = "#829ab1", LEFT = 46, BOTTOM = 38, TOP = 10, REACH = 14;
const canvas = get("dots"), context = canvas.getContext("2d"), snr = row => facts.snr[row] === null ? null : Math.abs(facts.snr[row]);
const levels = rows.map(snr).filter(value => value > 0), high = levels.reduce((a, b) => Math.max(a, b), 100);
const low = Math.min(levels.reduce((a, b) => Math.min(a, b), 3), high / 10);
let shown = [], spots = new Map(), base = null, at = -1, kept = false;

const score = row => facts.scores[get("which").value][row];
// From 0 (left) to 1 (right), null where there is none.
function across(row) {
  const name = get("against").value;
  if (name !== "snr") return facts.scores[name][row];
  const value = snr(row);
  return value > 0 ? Math.log(value / low) / Math.log(high / low) : null;
}

// Places of the sources that are shown, worked out once for a filter and a size of the canvas.
function arrange() {
  const width = canvas.clientWidth - LEFT - 12, height = canvas.clientHeight - TOP - BOTTOM;
  spots = new Map(shown.map(row => [row, [LEFT + across(row) * width, TOP + (1 - score(row)) * height]]));
}

function passes(row) {
  const value = score(row), from = get("from").value, to = get("to").value, text = get("search").value.trim();
  if (from !== "" && !(value !== null && value >= +from) || to !== "" && !(value !== null && value <= +to)) return false;
  if (get("is").value && coded("label", row) !== get("is").value) return false;
  if (get("kind").value && coded("reason", row) !== get("kind").value) return false;
  return !text || facts.id[row].includes(text) || coded("where", row).includes(text);
}

function axes(width, height) {
  const x = part => LEFT + part * (width - LEFT - 12), y = part => TOP + (1 - part) * (height - TOP - BOTTOM);
  context.font = "12px system-ui, sans-serif";
  context.strokeStyle = "#e4e7eb";
  context.fillStyle = "#52606d";
  const line = (x0, y0, x1, y1) => { context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y1); context.stroke(); };
  context.textAlign = "right";
  for (const part of [0, 0.25, 0.5, 0.75, 1]) { line(x(0), y(part), x(1), y(part)); context.fillText(part, LEFT - 6, y(part) + 4); }
  context.textAlign = "center";
  const isSnr = get("against").value === "snr";
  const ticks = isSnr ? [3, 5, 10, 30, 100, 300, 1000, 3000].filter(value => value >= low && value <= high) : [0, 0.25, 0.5, 0.75, 1];
  for (const tick of ticks) {
    const here = x(isSnr ? Math.log(tick / low) / Math.log(high / low) : tick);
    line(here, y(0), here, y(1));
    context.fillText(tick, here, height - BOTTOM + 15);
  }
  context.fillText(isSnr ? "SNR" : "score " + short(get("against").value), x(0.5), height - 5);
  context.save();
  context.translate(12, y(0.5));
  context.rotate(-Math.PI / 2);
  context.fillText("score " + short(get("which").value), 0, 0);
  context.restore();
  context.strokeStyle = "#7b8794";
  context.setLineDash([5, 4]);
  line(x(0), y(threshold), x(1), y(threshold));
  context.setLineDash([]);
}

// The axes and all dots, kept as a picture: only the ring moves with the pointer.
function drawAll() {
  const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  arrange();
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.scale(scale, scale);
  axes(width, height);
  const radius = shown.length > 3000 ? 2 : shown.length > 600 ? 2.8 : 4;
  context.globalAlpha = shown.length > 3000 ? 0.5 : 0.7;
  for (const [row, spot] of spots) {
    context.fillStyle = COLORS[coded("label", row)] ?? OTHER;
    context.beginPath();
    context.arc(...spot, radius, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
  base = document.createElement("canvas");
  [base.width, base.height] = [canvas.width, canvas.height];
  base.getContext("2d").drawImage(canvas, 0, 0);
  drawRing();
}

function drawRing() {
  context.save();
  context.resetTransform();
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(base, 0, 0);
  context.restore();
  if (spots.has(at)) {
    context.strokeStyle = "#102a43";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(...spots.get(at), 6, 0, 2 * Math.PI);
    context.stroke();
  }
  canvas.dataset.drawn = "yes";
}

function choose(row) {
  if (row === at) return;
  at = row;
  drawRing();
  if (row < 0) return;
  const card = element("article", "card"), text = element("div", "text"), name = element("div", "name"), badges = element("span");
  for (const [which, column] of Object.entries(facts.scores)) {
    const value = column[row], kind = value === null ? "" : value >= threshold ? " real" : " bogus";
    badges.append(element("span", "badge" + kind, `${short(which)} ${shownAs(value, 3)}`));
  }
  const label = coded("label", row), reason = coded("reason", row), flags = coded("flags", row);
  name.append(element("span", "copy", facts.id[row]), badges);
  text.append(name, element("div", "", label + (reason ? ": " + words(reason) : "")));
  text.append(element("div", "soft", `SNR ${shownAs(facts.snr[row], 1)}, x ${shownAs(facts.x[row], 1)}, y ${shownAs(facts.y[row], 1)}`));
  text.append(element("div", "soft", `ra, dec ${shownAs(facts.ra[row], 6)} ${shownAs(facts.dec[row], 6)}`), element("div", "soft", coded("where", row)));
  if (flags.length) text.append(element("div", "soft", flags.join(", ")));
  card.dataset.row = row;
  card.append(fillStrip(element("div", "strip"), stamps[row], coded("roles", row), facts.id[row]), text);
  get("chosen").replaceChildren(card);
}

function nearest(event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  let found = -1, least = REACH ** 2;
  for (const [row, spot] of spots) {
    const apart = (spot[0] - x) ** 2 + (spot[1] - y) ** 2;
    if (apart < least) [found, least] = [row, apart];
  }
  return found;
}

function update() {
  const passing = rows.filter(passes);
  shown = passing.filter(row => across(row) !== null && score(row) !== null);
  const without = passing.length - shown.length;
  get("passing").textContent = `${passing.length} of ${total} sources` + (without ? `, ${without} of them without a score or SNR` : "");
  drawAll();
}

canvas.addEventListener("pointermove", event => { if (!kept) { const row = nearest(event); if (row >= 0) choose(row); } });
canvas.addEventListener("click", event => { const row = nearest(event); kept = row >= 0; choose(row); });
canvas.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !shown.length) return;
  event.preventDefault();
  kept = true;
  choose(shown[(shown.indexOf(at) + step + shown.length) % shown.length]);
});
get("narrow").addEventListener("input", update);
get("narrow").addEventListener("reset", () => setTimeout(update));
new ResizeObserver(drawAll).observe(canvas);
update();
})();
