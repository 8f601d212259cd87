// The plot of free memory: during a swap, and for a while after it, from its beginning; otherwise
// over the last minutes.

import { say } from "./dom.js";
import { Paper } from "./plot.js";
import { bytes, clock, phasesOf, seconds } from "./words.js";

const LEFT = 52;
const TOP = 4;
const STILL_S = 600;
const LINGER_S = 45;

// Noise is not made to look like news.
const LEAST_RANGE = 512 * 1024 ** 2;

/** The last swap that memory moved for, as it is now, or null. */
function swapInView(world) {
  const slot = world.slots.get("exclusive");
  const running = slot && world.swapOf(slot);
  if (running) return running;
  const last = world.swaps.find((swap) => swap.slot === "exclusive");
  return last && world.now - (last.at + last.duration_s) < LINGER_S ? last : null;
}

/** The samples since some time, and the last one before, where the curve comes from. */
function samplesSince(world, from) {
  const first = world.samples.findIndex(({ at }) => at >= from);
  return world.samples.slice(first < 0 ? -1 : Math.max(0, first - 1));
}

export function drawMemory(svg, caption, world) {
  const swap = swapInView(world);
  const until = world.now;
  const from = swap ? swap.at - 1 : until - STILL_S;
  const samples = samplesSince(world, from);
  const names = Object.keys(samples.at(-1)?.free ?? {});
  const values = samples.flatMap(({ free }) => Object.values(free)).filter(Number.isFinite);
  const paper = new Paper(svg);
  if (!values.length) return;

  const [least, most] = [Math.min(...values), Math.max(...values)];
  const range = Math.max(most - least, LEAST_RANGE) * 1.2;
  const low = Math.max(0, (least + most - range) / 2);
  const right = paper.width - 4;
  const x = (at) => LEFT + (Math.max(0, at - from) / (until - from)) * (right - LEFT);
  const y = (value) => TOP + (1 - (value - low) / range) * (paper.floor - TOP);

  if (swap) drawPhases(paper, swap, x);
  for (const value of [0.1, 0.5, 0.9].map((part) => low + part * range)) {
    paper.path("axis", [
      [LEFT, y(value)],
      [right, y(value)],
    ]);
    paper.text(LEFT - 6, y(value) + 4, bytes(value).replace("B", ""), { anchor: "end" });
  }
  paper.text(LEFT, paper.height - 4, swap ? clock(from) : `${STILL_S / 60} min ago`);
  const now = swap ? `${seconds(until - from)} later` : "now";
  paper.text(right, paper.height - 4, now, { anchor: "end" });
  for (const name of names) {
    const points = samples.filter(({ free }) => Number.isFinite(free[name]));
    paper.path(
      "curve",
      points.map(({ at, free }) => [x(at), y(free[name])]),
    );
  }
  const last = samples.at(-1).free;
  const free = (name) => (Number.isFinite(last[name]) ? bytes(last[name]) : "unknown");
  say(caption, names.map((name) => `${free(name)} free (${name})`).join(", "));
}

function drawPhases(paper, swap, x) {
  let at = swap.at;
  for (const [index, [name, spent]] of phasesOf(swap).entries()) {
    const [left, right] = [x(at), x(at + spent)];
    if (index % 2 === 0) paper.rect("phase", left, right, TOP, paper.floor);
    if (right - left > 34) paper.text(left + 4, 16, name);
    at += spent;
  }
}
