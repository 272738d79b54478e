"use strict";
// Stamps are text: "panels height width levels data". The data are the pixels of the panels, row by row from the
// top: 1 (black) to levels (white), 0 where missing; one byte each, compressed (raw deflate), in base64.
const GAP = 2, MISSING = [237, 199, 184];

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

async function unpack(data) {
  const packed = Uint8Array.from(atob(data), character => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function paint(canvas, [panels, height, width, levels], data) {
  const pixels = await unpack(data), size = height * width, context = canvas.getContext("2d");
  for (let panel = 0; panel < panels; panel++) {
    const image = context.createImageData(width, height);
    for (let i = 0; i < size; i++) {
      const level = pixels[panel * size + i], grey = 255 * (level - 1) / (levels - 1);
      for (let channel = 0; channel < 3; channel++) image.data[4 * i + channel] = level ? grey : MISSING[channel];
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, panel * (width + GAP), 0);
  }
}

// Fill an element with a picture of stamps and the name of each above it.
function fillStrip(strip, stamps, names, what) {
  const [panels, height, width, levels, data] = stamps.split(" "), roles = element("div", "roles");
  const canvas = element("canvas"), shape = [+panels, +height, +width, +levels];
  for (const name of names) roles.append(element("span", "", name));
  canvas.width = panels * (shape[2] + GAP) - GAP;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${names.join(", ")} of ${what}`);
  strip.replaceChildren(roles, canvas);
  paint(canvas, shape, data).then(() => { canvas.dataset.drawn = "yes"; }, error => {
    strip.append(element("p", "soft", `This browser cannot unpack stamps (${error.message}); those from 2023 on can.`));
  });
  return strip;
}

for (const strip of document.querySelectorAll(".strip[data-stamps]")) {
  const { stamps, names, what } = strip.dataset;
  fillStrip(strip, stamps, names.split(","), what);
}
