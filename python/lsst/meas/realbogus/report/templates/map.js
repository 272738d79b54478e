"use strict";
// Points on a canvas: colours by group or by value, the point under the pointer, arrow keys.
const WORD_COLORS = ["#1d4ed8", "#c2410c", "#0f766e", "#be185d", "#7c3aed", "#a16207", "#0e7490", "#4d7c0f",
  "#475569", "#dc2626", "#6d28d9", "#111827", "#0d9488", "#b45309", "#86198f", "#365314"];
const NOTHING = "#c5ccd3", REACH = 14;

// Dark blue over green to yellow.
function ramp(t) {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const at = Math.min(Math.max(t, 0), 1) * 4, low = Math.min(Math.floor(at), 3);
  return `rgb(${stops[low].map((v, i) => Math.round(v + (at - low) * (stops[low + 1][i] - v))).join(",")})`;
}

// A plane without axes, both coordinates on one scale. A plane has `has(row)`, `fit(rows, width, height)`,
// `place(row)` in pixels and, if it has axes, `draw(context, width, height)`.
class EvenPlane {
  // x, y: columns, null for none.
  constructor(x, y) { Object.assign(this, { x, y }); }

  has(row) { return this.x[row] !== null && this.y[row] !== null; }

  fit(rows, width, height) {
    const span = values => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const [west, east] = span(rows.map(row => this.x[row])), [south, north] = span(rows.map(row => this.y[row]));
    const scale = Math.min((width - 24) / (east - west || 1), (height - 24) / (north - south || 1));
    Object.assign(this, { west, north, scale, dx: (width - 24 - scale * (east - west)) / 2, dy: (height - 24 - scale * (north - south)) / 2 });
  }

  place(row) {
    return [12 + (this.x[row] - this.west) * this.scale + this.dx, 12 + (this.north - this.y[row]) * this.scale + this.dy];
  }
}

class PointMap {
  // show(row): a point was chosen, null for none.
  constructor(canvas, total, plane, show) {
    const every = [...Array(total).keys()];
    Object.assign(this, { canvas, plane, show, at: null, kept: false, spots: new Map(), base: document.createElement("canvas") });
    Object.assign(this, { colors: every.map(() => NOTHING), hidden: every.map(() => false), rows: every.filter(row => plane.has(row)) });
    canvas.addEventListener("pointermove", event => { if (!this.kept) this.choose(this.nearest(event)); });
    canvas.addEventListener("pointerleave", () => { if (!this.kept) this.choose(null); });
    canvas.addEventListener("click", event => {
      const row = this.nearest(event);
      this.kept = row !== null;
      this.choose(row);
    });
    canvas.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], rows = [...this.spots.keys()];
      if (!step || !rows.length) return;
      event.preventDefault();
      event.stopPropagation();
      this.kept = true;
      this.choose(rows[(rows.indexOf(this.at) + step + rows.length) % rows.length]);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
    let found = null, least = REACH * REACH;
    for (const [row, [x, y]] of this.spots) {
      const apart = (x - px) ** 2 + (y - py) ** 2;
      if (apart < least) [found, least] = [row, apart];
    }
    return found;
  }

  choose(row) {
    if (row === this.at) return;
    this.at = row;
    this.drawRing();
    this.show(row);
  }

  // Axes and points, kept as a picture: only the ring moves with the pointer.
  draw() {
    const { canvas, plane, base } = this, ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    const rows = this.rows.filter(row => !this.hidden[row]), context = canvas.getContext("2d");
    plane.fit(this.rows, width, height);
    this.spots = new Map(rows.map(row => [row, plane.place(row)]));
    canvas.width = base.width = width * ratio;
    canvas.height = base.height = height * ratio;
    context.scale(ratio, ratio);
    plane.draw?.(context, width, height);
    const radius = rows.length > 3000 ? 2 : rows.length > 600 ? 2.8 : 3.6;
    context.globalAlpha = rows.length > 3000 ? 0.5 : 0.8;
    for (const [row, spot] of this.spots) {
      context.fillStyle = this.colors[row];
      context.beginPath();
      context.arc(...spot, radius, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
    if (base.width && base.height) base.getContext("2d").drawImage(canvas, 0, 0);
    this.drawRing();
  }

  drawRing() {
    const { canvas, base } = this, context = canvas.getContext("2d");
    context.save();
    context.resetTransform();
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (base.width && base.height) context.drawImage(base, 0, 0);
    context.restore();
    if (this.spots.has(this.at)) {
      context.lineWidth = 2;
      context.strokeStyle = "#111827";
      context.beginPath();
      context.arc(...this.spots.get(this.at), 6.5, 0, 7);
      context.stroke();
    }
    canvas.dataset.drawn = "yes";
  }
}

// Colour by words, with a legend whose entries hide and show their points.
function colorByWords(map, legend, words, colors = {}) {
  const counts = new Map();
  for (const row of map.rows) counts.set(words[row], (counts.get(words[row]) || 0) + 1);
  const names = Object.keys(colors).filter(name => counts.has(name));
  names.push(...[...counts.keys()].filter(name => !(name in colors)).sort((a, b) => counts.get(b) - counts.get(a)));
  let taken = 0;
  const chosen = Object.fromEntries(names.map(name => [name, colors[name] ?? (name ? WORD_COLORS[taken++ % WORD_COLORS.length] : NOTHING)]));
  map.colors = words.map(word => chosen[word]);
  map.hidden = words.map(() => false);
  legend.replaceChildren(...names.map(name => {
    const button = element("button"), dot = element("span", "dot");
    dot.style.background = chosen[name];
    button.type = "button";
    button.append(dot, `${name || "unknown"} (${counts.get(name)})`);
    button.addEventListener("click", () => {
      const off = button.classList.toggle("off");
      words.forEach((word, row) => { if (word === name) map.hidden[row] = off; });
      map.draw();
    });
    return button;
  }));
  map.draw();
}

// Colour by numbers, from low to high; those without are grey.
function colorByNumbers(map, legend, values, low, high, transform = v => v) {
  const from = transform(low), to = transform(high);
  map.colors = values.map(value => value === null ? NOTHING : ramp((transform(value) - from) / (to - from || 1)));
  map.hidden = values.map(() => false);
  const bar = element("canvas");
  bar.width = 160;
  bar.height = 1;
  for (let i = 0; i < 160; i++) {
    bar.getContext("2d").fillStyle = ramp(i / 159);
    bar.getContext("2d").fillRect(i, 0, 1, 1);
  }
  bar.dataset.drawn = "yes";
  legend.replaceChildren(element("span", "", low.toPrecision(3)), bar, element("span", "", high.toPrecision(3)));
  map.draw();
}
