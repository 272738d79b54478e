"use strict";
// The map of the last hidden layer, and contact sheets that can be labelled.
const get = id => document.getElementById(id);
const facts = JSON.parse(get("facts").textContent), shown = JSON.parse(get("shown").textContent);
const stamps = get("stamps").textContent.trim().split("\n"), saliency = get("saliency").textContent.trim().split("\n");
const NAMES = { 1: "real", 0: "bogus", "-1": "undecided" };
const total = facts.id.length, byHand = new Map(), cards = [];
const text = (value, digits) => value === null ? "–" : value.toFixed(digits);

function drawCard(row, withSaliency) {
  const card = element("article", "card"), words = element("div", "text"), name = element("div", "name"), score = facts.score[row];
  const kind = score === null ? "" : score >= facts.threshold ? " real" : " bogus";
  card.append(fillStrip(element("div", "strip"), stamps[row], facts.roles, facts.id[row]));
  if (withSaliency) card.append(fillStrip(element("div", "strip"), saliency[shown.indexOf(row)], facts.segments, `saliency of ${facts.id[row]}`));
  name.append(element("span", "", facts.id[row]), element("span", "badge" + kind, text(score, 3)));
  const what = [NAMES[facts.label[row]], facts.kind[row]].filter(Boolean).join(": ");
  const place = facts.visit[row] === "-1" ? "" : `visit ${facts.visit[row]}, detector ${facts.detector[row]}, `;
  words.append(name, element("div", "", what), element("div", "soft", `${place}SNR ${text(facts.snr[row], 1)}`));
  const shares = Object.entries(facts.shares).map(([image, values]) => `${image} ${text(values[row], 2)}`);
  words.append(element("div", "soft", `shares: ${shares.join(", ")}`), element("div", "mark"));
  card.append(words);
  return card;
}

const legend = get("legend");
const map = new PointMap(get("map"), total, new EvenPlane(facts.x, facts.y), row => {
  get("under").replaceChildren(...(row === null ? [] : [drawCard(row, shown.includes(row))]));
});
get("counted").textContent = `${map.rows.length} of ${total} sources have a place`;

const COLORINGS = {
  outcome: () => colorByWords(map, legend, facts.outcome, facts.colors),
  class: () => colorByWords(map, legend, facts.label.map(label => NAMES[label]), { real: "#0f766e", bogus: "#c2410c", undecided: "#9aa5b1" }),
  kind: () => colorByWords(map, legend, facts.kind),
  segment: () => colorByWords(map, legend, facts.segment, { difference: "#555555", science: "#2f9e73", template: "#8b7fd1" }),
  score: () => colorByNumbers(map, legend, facts.score, 0, 1),
  snr: () => {
    const values = facts.snr.map(value => value === null ? null : Math.abs(value) || null), known = values.filter(value => value !== null);
    const ends = known.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    colorByNumbers(map, legend, values, ...(known.length ? ends : [1, 10]), Math.log);
  },
};
get("color").addEventListener("input", event => COLORINGS[event.target.value]());
COLORINGS.outcome();

// Contact sheets. A source that is on two sheets has one label.
let at = -1;

function step(to) {
  if (!cards.length) return;
  cards[at]?.card.classList.remove("at");
  at = Math.min(Math.max(to, 0), cards.length - 1);
  cards[at].card.classList.add("at");
  cards[at].card.scrollIntoView({ block: "nearest" });
}

function label(value) {
  if (at < 0) return;
  const row = cards[at].row;
  if (value === null) byHand.delete(row); else byHand.set(row, value);
  for (const { card, row: other } of cards) {
    if (other !== row) continue;
    card.classList.toggle("byhand-1", value === 1);
    card.classList.toggle("byhand-0", value === 0);
    card.querySelector(".mark").textContent = value === null ? "" : `labelled ${NAMES[value]}`;
  }
  get("bynow").textContent = byHand.size ? `${byHand.size} labelled` : "none labelled";
  get("save").disabled = !byHand.size;
  if (value !== null) step(at + 1);
}

function labelTable() {
  const rows = [...byHand.keys()].sort((a, b) => a - b);
  const lines = rows.map(row => [facts.id[row], byHand.get(row), facts.visit[row], facts.detector[row], facts.score[row] ?? "nan"].join(","));
  return ["diaSourceId,label,visit,detector,score", ...lines, ""].join("\n");
}

for (const [name, rows] of Object.entries(facts.sheets)) {
  for (const row of rows) {
    const card = drawCard(row, true), number = cards.length;
    cards.push({ card, row });
    card.addEventListener("click", () => step(number));
    get(`sheet-${name}`).append(card);
  }
}

const KEYS = {
  r: () => label(1), b: () => label(0), u: () => label(null),
  ArrowRight: () => step(at + 1), ArrowLeft: () => step(at < 0 ? 0 : at - 1),
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  const action = KEYS[event.key] || KEYS[event.key.toLowerCase()];
  if (!action || at < 0) return;
  event.preventDefault();
  action();
});

get("save").addEventListener("click", () => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([labelTable()], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
