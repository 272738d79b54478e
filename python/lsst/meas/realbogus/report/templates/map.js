"use strict";
// A map of points on a canvas: colours by group or by value, the point under the pointer, arrow keys.
const WORD_COLORS = ["#1d4ed8", "#c2410c", "#0f766e", "#be185d", "#7c3aed", "#a16207", "#0e7490", "#4d7c0f",
  "#475569", "#dc2626", "#6d28d9", "#111827", "#0d9488", "#b45309", "#86198f", "#365314"];
const NOTHING = "#c5ccd3", RADIUS = 3.2, REACH = 14;

// Dark blue over green to yellow.
function ramp(t) {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const at = Math.min(Math.max(t, 0), 1) * 4, low = Math.min(Math.floor(at), 3);
  return `rgb(${stops[low].map((v, i) => Math.round(v + (at - low) * (stops[low + 1][i] - v))).join(",")})`;
}

class PointMap {
  // x, y: columns, null for none. show(row): a point was chosen, null for none.
  constructor(canvas, x, y, show) {
    Object.assign(this, { canvas, x, y, show, at: null, kept: false, colors: x.map(() => NOTHING), hidden: x.map(() => false) });
    this.rows = [...x.keys()].filter(row => x[row] !== null && y[row] !== null);
    canvas.addEventListener("pointermove", event => { if (!this.kept) this.choose(this.nearest(event)); });
    canvas.addEventListener("pointerleave", () => { if (!this.kept) this.choose(null); });
    canvas.addEventListener("click", event => {
      const row = this.nearest(event);
      this.kept = row !== null;
      this.choose(row);
    });
    canvas.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const rows = this.rows.filter(row => !this.hidden[row]);
      if (!step || !rows.length) return;
      event.preventDefault();
      event.stopPropagation();
      this.kept = true;
      this.choose(rows[(rows.indexOf(this.at) + step + rows.length) % rows.length]);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  place(row) {
    return [12 + (this.x[row] - this.west) * this.scale + this.dx, 12 + (this.north - this.y[row]) * this.scale + this.dy];
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
    let found = null, least = REACH * REACH;
    for (const row of this.rows) {
      if (this.hidden[row]) continue;
      const [x, y] = this.place(row), apart = (x - px) ** 2 + (y - py) ** 2;
      if (apart < least) [found, least] = [row, apart];
    }
    return found;
  }

  choose(row) {
    if (row === this.at) return;
    this.at = row;
    this.draw();
    this.show(row);
  }

  draw() {
    const { canvas } = this, ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const span = values => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const [west, east] = span(this.rows.map(row => this.x[row])), [south, north] = span(this.rows.map(row => this.y[row]));
    const scale = Math.min((width - 24) / (east - west || 1), (height - 24) / (north - south || 1));
    Object.assign(this, { west, north, scale, dx: (width - 24 - scale * (east - west)) / 2, dy: (height - 24 - scale * (north - south)) / 2 });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.globalAlpha = this.rows.length > 3000 ? 0.6 : 0.85;
    for (const row of this.rows) {
      if (this.hidden[row]) continue;
      const [x, y] = this.place(row);
      context.fillStyle = this.colors[row];
      context.beginPath();
      context.arc(x, y, RADIUS, 0, 7);
      context.fill();
    }
    if (this.at !== null && this.rows.includes(this.at)) {
      const [x, y] = this.place(this.at);
      context.globalAlpha = 1;
      context.lineWidth = 2;
      context.strokeStyle = "#111827";
      context.beginPath();
      context.arc(x, y, RADIUS + 3.5, 0, 7);
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
