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

// Ends of an axis that shows these values.
function range(values) {
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (low > high) return [0, 1];
  const margin = (high - low || 1) * 0.04;
  return [low - margin, high + margin];
}

// Round values between two ends, about as many as asked for, each with its number of decimals.
function ticks([low, high], count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough)), found = [];
  const step = [1, 2, 5, 10].map(factor => factor * power).find(size => size >= rough);
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push([i * step, Math.max(0, -Math.floor(Math.log10(step)))]);
  return found;
}

// A plane has `has(row)`, `fit(rows, width, height)`, `place(row)` in pixels (null: out of sight), and if it has
// axes, `draw(context, width, height)`; one that can be zoomed has `zoom(x, y, factor)`, `move(dx, dy)`, `reset()`.
// This one has no axes, and both coordinates are on one scale.
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

// A plane with two axes: x, y are functions of a row, null for none; `rows` lie within the axes at first.
class AxesPlane {
  constructor({ x, y, names = ["", ""], flip = false }, rows) {
    Object.assign(this, { x, y, names, flip, every: rows.filter(row => this.has(row, x, y)), left: 8, bottom: 8 });
    if (names[0] || names[1]) Object.assign(this, { left: 58, bottom: 42 });
    this.reset();
  }

  has(row, x = this.x, y = this.y) { return x(row) !== null && y(row) !== null; }

  reset() { this.ends = [range(this.every.map(this.x)), range(this.every.map(this.y))]; }

  fit(rows, width, height) { this.size = [width - this.left - 8, height - this.bottom - 8]; }

  // From pixels to parts of the axes and back, the second axis from below.
  part(x, y) {
    const across = (x - this.left) / this.size[0];
    return [this.flip ? 1 - across : across, 1 - (y - 8) / this.size[1]];
  }

  pixels(values) {
    const [across, up] = values.map((value, i) => (value - this.ends[i][0]) / (this.ends[i][1] - this.ends[i][0]));
    return [this.left + (this.flip ? 1 - across : across) * this.size[0], 8 + (1 - up) * this.size[1]];
  }

  place(row) {
    const values = [this.x(row), this.y(row)];
    return values.every((value, i) => value >= this.ends[i][0] && value <= this.ends[i][1]) ? this.pixels(values) : null;
  }

  zoom(x, y, factor) {
    const part = this.part(x, y);
    this.ends = this.ends.map(([low, high], i) => [low, high].map(end => {
      const at = low + (high - low) * part[i];
      return at + (end - at) * factor;
    }));
  }

  move(dx, dy) {
    const by = [(this.flip ? 1 : -1) * dx / this.size[0], dy / this.size[1]];
    this.ends = this.ends.map(([low, high], i) => [low, high].map(end => end + by[i] * (high - low)));
  }

  draw(context, width, height) {
    const [inner, tall] = this.size;
    context.strokeStyle = "#cbd2d9";
    context.strokeRect(this.left, 8, inner, tall);
    context.fillStyle = "#52606d";
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    if (this.names[0]) for (const [value, digits] of ticks(this.ends[0], 4)) context.fillText(value.toFixed(digits), this.pixels([value, 0])[0], 8 + tall + 15);
    context.fillText(this.names[0], this.left + inner / 2, height - 5);
    context.textAlign = "right";
    if (this.names[1]) for (const [value, digits] of ticks(this.ends[1], 5)) context.fillText(value.toFixed(digits), this.left - 5, this.pixels([0, value])[1] + 4);
    context.textAlign = "center";
    context.save();
    context.translate(12, 8 + tall / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(this.names[1], 0, 0);
    context.restore();
  }
}

class PointMap {
  // show(row): the point under the pointer, null for none. A click keeps it; with pick(row), it picks it instead.
  constructor(canvas, total, plane, show, pick = null) {
    const every = [...Array(total).keys()];
    Object.assign(this, { canvas, plane, show, at: null, kept: false, spots: new Map(), base: document.createElement("canvas") });
    Object.assign(this, { colors: every.map(() => NOTHING), hidden: every.map(() => false), rows: every.filter(row => plane.has(row)) });
    this.pick = pick ?? (row => { this.kept = row !== null; });
    this.drag = null;
    canvas.addEventListener("pointerdown", event => { this.drag = { x: event.clientX, y: event.clientY, moved: false }; });
    canvas.addEventListener("pointercancel", () => { this.drag = null; });
    window.addEventListener("pointerup", () => { if (!this.drag?.moved) this.drag = null; });
    canvas.addEventListener("pointermove", event => this.follow(event));
    canvas.addEventListener("pointerleave", () => { if (!this.kept) this.choose(null); });
    canvas.addEventListener("click", event => {
      const moved = this.drag?.moved, row = this.nearest(event);
      this.drag = null;
      if (moved) return;
      this.pick(row);
      this.choose(row);
    });
    canvas.addEventListener("wheel", event => {
      if (!this.plane.zoom) return;
      event.preventDefault();
      this.plane.zoom(event.offsetX, event.offsetY, event.deltaY > 0 ? 1.25 : 0.8);
      this.draw();
    }, { passive: false });
    canvas.addEventListener("dblclick", () => { this.plane.reset?.(); this.draw(); });
    canvas.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], rows = [...this.spots.keys()];
      if (!step || !rows.length) return;
      event.preventDefault();
      event.stopPropagation();
      const row = rows[(rows.indexOf(this.at) + step + rows.length) % rows.length];
      this.pick(row);
      this.choose(row);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // The pointer has moved: with a button down the plane goes with it, if it can.
  follow(event) {
    if (this.drag && !event.buttons) this.drag = null;
    if (!this.drag || !this.plane.move) {
      if (!this.kept) this.choose(this.nearest(event));
      return;
    }
    const step = [event.clientX - this.drag.x, event.clientY - this.drag.y];
    if (!this.drag.moved && Math.hypot(...step) <= 4) return;
    this.drag = { x: event.clientX, y: event.clientY, moved: true };
    this.plane.move(...step);
    this.draw();
  }

  // Rows with a ring, and its colour.
  rings() { return this.at === null ? [] : [[this.at, "#111827"]]; }

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
    this.spots = new Map(rows.map(row => [row, plane.place(row)]).filter(([, spot]) => spot));
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
    context.lineWidth = 2;
    for (const [row, color] of this.rings()) {
      if (!this.spots.has(row)) continue;
      context.strokeStyle = color;
      context.beginPath();
      context.arc(...this.spots.get(row), 6.5, 0, 7);
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
