// What the plots have in common: a piece of paper, as large as it is on the screen.

import { draw } from "./dom.js";

export const BOTTOM = 18;

export class Paper {
  /** Begin anew; only the title stays. */
  constructor(svg) {
    this.svg = svg;
    for (const child of [...svg.children]) if (child.tagName !== "title") child.remove();
    const { width, height } = svg.getBoundingClientRect();
    Object.assign(this, { width, height, floor: height - BOTTOM });
    svg.setAttribute("viewBox", `0 0 ${Math.max(width, 1)} ${Math.max(height, 1)}`);
  }

  rect(className, left, right, top, bottom, title) {
    const size = { width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    const rect = draw("rect", { class: className, x: left, y: top, ...size });
    if (title) rect.append(draw("title", {}, title));
    this.svg.append(rect);
  }

  path(className, points) {
    const places = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
    this.svg.append(draw("path", { class: className, d: `M${places.join("L")}` }));
  }

  text(x, y, said, { anchor = "start", className = "" } = {}) {
    this.svg.append(draw("text", { x, y, "text-anchor": anchor, class: className }, said));
  }
}
