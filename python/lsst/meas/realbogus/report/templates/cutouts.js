"use strict";
// The list of sources: columns of facts, rows that pass the filter, and cards for those near the view only.
const get = id => document.getElementById(id);
const facts = JSON.parse(get("facts").textContent);
const stamps = get("stamps").textContent.trim().split("\n");
const total = facts.id.length;
const ROWS = 8, KEPT = 3, NARROWEST = 250, SPACE = 13;
const list = document.querySelector("main");
let cardHeight = 220, later = 0;

const coded = (name, row) => facts[name].values[facts[name].index[row]];
const shownAs = (value, digits) => value === null ? "–" : value.toFixed(digits);

function sexagesimal(degrees, units, decimals) {
  const scale = 10 ** decimals, ticks = Math.round(Math.abs(degrees) * units * 3600 * scale);
  const seconds = (ticks % (60 * scale) / scale).toFixed(decimals).padStart(decimals + 3, "0");
  const minutes = Math.floor(ticks / (60 * scale));
  return [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, "0")).join(":") + ":" + seconds;
}

function skyPosition(row) {
  const ra = facts.ra[row], dec = facts.dec[row];
  if (ra === null || dec === null) return element("div", "soft", "no ra, dec");
  const line = element("div", "soft", "ra, dec "), degrees = element("span", "copy", `${ra.toFixed(6)} ${dec.toFixed(6)}`);
  // A right ascension that rounds to 24 hours is 0.
  const hours = sexagesimal(Math.round(ra * 240000) / 240000 % 360, 1 / 15, 3);
  degrees.title = `${hours} ${dec < 0 ? "-" : "+"}${sexagesimal(dec, 1, 2)}`;
  line.append(degrees);
  return line;
}

function badge(name, score) {
  const kind = score === null ? "" : score >= 0.5 ? " real" : " bogus";
  return element("span", "badge" + kind, `${name.replace(/^score_/, "")} ${shownAs(score, 3)}`);
}

function drawCard(row) {
  const card = element("article", "card"), text = element("div", "text"), name = element("div", "name");
  const badges = element("span"), label = coded("label", row), reason = coded("reason", row);
  for (const [which, column] of Object.entries(facts.scores)) badges.append(badge(which, column[row]));
  name.append(element("span", "copy", facts.id[row]), badges);
  text.append(name, element("div", "soft", coded("where", row)));
  text.append(element("div", "soft", `x ${shownAs(facts.x[row], 1)}, y ${shownAs(facts.y[row], 1)}, SNR ${shownAs(facts.snr[row], 1)}`));
  text.append(skyPosition(row));
  if (label) text.append(element("div", "", label + (reason ? ": " + reason.replaceAll("_", " ") : "")));
  for (const flag of coded("flags", row)) text.append(element("span", "flag", flag));
  const planes = coded("planes", row);
  if (planes.length) text.append(element("div", "soft", "mask " + planes.join(" ")));
  card.append(fillStrip(element("div", "strip"), stamps[row], coded("roles", row), facts.id[row]), text);
  return card;
}

// An empty field is no limit.
function limits(low, high) {
  const bound = (field, otherwise) => field && field.value !== "" ? +field.value : otherwise;
  return [bound(get(low), -Infinity), bound(get(high), Infinity)];
}

function findRows() {
  const text = get("id").value.trim().toLowerCase(), label = get("label")?.value;
  const wanted = [...document.querySelectorAll("#flags input:checked")].map(box => box.value);
  const scores = facts.scores[get("which")?.value], [lowest, highest] = limits("low", "high");
  const [faintest, brightest] = limits("snr-low", "snr-high"), bySnr = faintest > -Infinity || brightest < Infinity;
  const places = facts.where.values.map(place => place.toLowerCase().includes(text));
  const flagged = facts.flags.values.map(flags => wanted.every(flag => flags.includes(flag)));
  const rows = [];
  for (let row = 0; row < total; row++) {
    if (text && !places[facts.where.index[row]] && !facts.id[row].includes(text)) continue;
    if (!flagged[facts.flags.index[row]] || label && coded("label", row) !== label) continue;
    if (bySnr && (facts.snr[row] === null || facts.snr[row] < faintest || facts.snr[row] > brightest)) continue;
    if (scores && (scores[row] === null ? !get("unscored").checked : scores[row] < lowest || scores[row] > highest)) continue;
    rows.push(row);
  }
  return rows;
}

// Sources without a value come last in either order.
function sortRows(rows) {
  const order = get("order").value, sign = order.startsWith("-") ? -1 : 1;
  if (!order) return rows;
  const column = order.endsWith("score") ? facts.scores[get("which").value] : facts.snr;
  const key = row => column[row] === null ? Infinity : sign * column[row];
  return rows.sort((a, b) => key(a) === key(b) ? a - b : key(a) - key(b));
}

// Blocks of whole rows of cards: those near the view hold cards, the others keep their height.
const nearby = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) fillBlock(target);
    else if (!target.kept && target.childElementCount) emptyBlock(target);
  }
}, { rootMargin: "900px 0px" });

function fillBlock(block) {
  if (block.childElementCount) return;
  block.append(...block.rows.map(drawCard));
  block.style.minHeight = "";
}

function emptyBlock(block) {
  block.style.minHeight = block.offsetHeight + "px";
  block.replaceChildren();
}

function fitColumns() {
  const columns = Math.max(1, Math.floor((list.clientWidth + SPACE) / (NARROWEST + SPACE)));
  const changed = columns !== +list.style.getPropertyValue("--columns");
  list.style.setProperty("--columns", columns);
  return changed;
}

function show() {
  fitColumns();
  const rows = sortRows(findRows()), columns = +list.style.getPropertyValue("--columns"), size = columns * ROWS;
  const blocks = [];
  for (let start = 0; start < rows.length; start += size) {
    const block = element("div", "block");
    block.rows = rows.slice(start, start + size);
    block.kept = blocks.length < KEPT;
    block.style.minHeight = Math.ceil(block.rows.length / columns) * (cardHeight + SPACE) + "px";
    blocks.push(block);
  }
  nearby.disconnect();
  list.replaceChildren(...blocks);
  if (blocks.length) {
    fillBlock(blocks[0]);
    cardHeight = blocks[0].offsetHeight / Math.ceil(blocks[0].rows.length / columns) - SPACE;
  }
  for (const block of blocks) nearby.observe(block);
  clearTimeout(later);
  later = setTimeout(() => blocks.slice(0, KEPT).forEach(fillBlock), 500);  // to be printed
  get("count").textContent = `${rows.length} of ${total} sources`;
  get("nothing").hidden = rows.length > 0;
}

get("filter").addEventListener("input", () => { show(); window.scrollTo({ top: 0 }); });
get("filter").addEventListener("reset", () => setTimeout(show));
window.addEventListener("resize", () => { if (fitColumns()) show(); });
window.addEventListener("beforeprint", () => {
  get("printed").textContent = `${list.querySelectorAll(".card").length} of them are printed: the first, and those in view.`;
});
if (window.innerWidth < 700) get("panel").open = false;
show();
