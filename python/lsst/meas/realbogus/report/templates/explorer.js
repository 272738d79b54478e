// Every source as a dot: its score against SNR or another score. Hovering shows its stamps, a click keeps them.
(() => {
const get = id => document.getElementById(id), facts = JSON.parse(get("facts").textContent);
const stamps = get("packed").textContent.trim().split("\n"), total = facts.id.length;
const threshold = +get("explorer").dataset.threshold, rows = [...Array(total).keys()];
const coded = (name, row) => facts[name].values[facts[name].index[row]];
const shownAs = (value, digits) => value === null ? "–" : value.toFixed(digits);
const words = text => text.replaceAll("_", " "), short = name => name.replace(/^score_/, "");
const COLORS = { real: "#0f766e", bogus: "#c2410c" }, OTHER = "#829ab1", LEFT = 46, BOTTOM = 38, TOP = 10;
const snr = row => facts.snr[row] === null ? null : Math.abs(facts.snr[row]);
const levels = rows.map(snr).filter(value => value > 0), high = levels.reduce((a, b) => Math.max(a, b), 100);
const low = Math.min(levels.reduce((a, b) => Math.min(a, b), 3), high / 10);

const score = row => facts.scores[get("which").value][row];
// From 0 (left) to 1 (right), null where there is none.
function across(row) {
  const name = get("against").value;
  if (name !== "snr") return facts.scores[name][row];
  const value = snr(row);
  return value > 0 ? Math.log(value / low) / Math.log(high / low) : null;
}

function passes(row) {
  const value = score(row), from = get("from").value, to = get("to").value, text = get("search").value.trim();
  if (from !== "" && !(value !== null && value >= +from) || to !== "" && !(value !== null && value <= +to)) return false;
  if (get("is").value && coded("label", row) !== get("is").value) return false;
  if (get("kind").value && coded("reason", row) !== get("kind").value) return false;
  return !text || facts.id[row].includes(text) || coded("where", row).includes(text);
}

function axes(context, width, height) {
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

const plane = {
  has: row => across(row) !== null && score(row) !== null,
  fit: (rows, width, height) => Object.assign(plane, { width: width - LEFT - 12, height: height - TOP - BOTTOM }),
  place: row => [LEFT + across(row) * plane.width, TOP + (1 - score(row)) * plane.height],
  draw: axes,
};

function show(row) {
  if (row === null) return;
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

const map = new PointMap(get("dots"), total, plane, show);
map.colors = rows.map(row => COLORS[coded("label", row)] ?? OTHER);

function update() {
  const passing = rows.filter(passes);
  map.rows = passing.filter(plane.has);
  const without = passing.length - map.rows.length;
  get("passing").textContent = `${passing.length} of ${total} sources` + (without ? `, ${without} of them without a score or SNR` : "");
  map.draw();
}

get("narrow").addEventListener("input", update);
get("narrow").addEventListener("reset", () => setTimeout(update));
update();
})();
