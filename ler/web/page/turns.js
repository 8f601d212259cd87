// The plot of the turns: who held the memory in the last hours, a row for each slot.

import { say } from "./dom.js";
import { Paper } from "./plot.js";
import { clock, phasesOf, seconds } from "./words.js";

const COLOURS = 8;
const SHORTEST_S = 60;
const MARGIN_S = 10;

/** The turns and the swaps of one slot that end after some time, the oldest first. */
function spansOf(world, slot, from, until) {
  const spans = [];
  const swaps = world.swaps.filter((swap) => swap.slot === slot.slot).reverse();
  const current = world.swapOf(slot);
  if (current) swaps.push(current);
  let who = swaps.length ? swaps[0].from : slot.resident;
  let since = swaps.length ? from : slot.at - slot.for_s;
  for (const swap of swaps) {
    if (who) spans.push({ who, since, until: swap.at });
    who = swap.ok ? swap.to : null;
    since = swap.at + swap.duration_s;
    spans.push({ swap, since: swap.at, until: since });
  }
  if (!current && who) spans.push({ who, since, until });
  return spans.filter((span) => span.until >= from);
}

/** Since when anything is known. */
function beginning(world) {
  const swaps = world.swaps.map((swap) => swap.at);
  const slots = [...world.slots.values()].map((slot) => slot.at - slot.for_s);
  return Math.min(...swaps, ...slots);
}

function storyOf({ who, swap, since, until }) {
  if (who) return `${clock(since)} ${who}: ${seconds(until - since)}`;
  const phases = phasesOf(swap).map(([name, spent]) => `${name} ${seconds(spent)}`);
  const end = swap.ok === false ? `, failed: ${swap.error}` : "";
  const ends = `${swap.from ?? "nothing"} → ${swap.to ?? "nothing"}`;
  return `${clock(since)} ${ends}: ${phases.join(", ")}${end}`;
}

function toneOf({ who, swap }, engines) {
  if (swap) return swap.ok === false ? "failed" : "swap";
  return `turn${Math.max(0, engines.indexOf(who.split("/")[0])) % COLOURS}`;
}

export function drawTurns(svg, caption, world, longest) {
  const until = world.now;
  const begun = Math.max(until - longest, beginning(world) - MARGIN_S);
  const from = Math.min(until - SHORTEST_S, begun);
  const swapped = new Set(world.swaps.map((swap) => swap.slot)).add("exclusive");
  const slots = [...world.slots.values()].filter((slot) => slot.resident || swapped.has(slot.slot));
  const engines = Object.keys(world.engines);
  const paper = new Paper(svg);
  const row = paper.floor / Math.max(1, slots.length);
  const x = (at) => 4 + (Math.max(0, at - from) / (until - from)) * (paper.width - 8);
  let turns = 0;
  slots.forEach((slot, index) => {
    const top = index * row + 2;
    for (const span of spansOf(world, slot, from, until)) {
      const left = x(span.since);
      const right = Math.max(x(span.until), left + 1.5);
      paper.rect(toneOf(span, engines), left, right, top, top + row - 4, storyOf(span));
      if (!span.who) continue;
      turns += 1;
      if (right - left > span.who.length * 7 + 8 && row > 14)
        paper.text(left + 5, top + row / 2 + 2, span.who, { className: "label" });
    }
  });
  ["start", "middle", "end"].forEach((anchor, index) => {
    const at = from + (index / 2) * (until - from);
    paper.text(x(at), paper.height - 4, clock(at), { anchor });
  });
  const swaps = world.swaps.filter((swap) => swap.at >= from).length;
  say(caption, `${turns} turns and ${swaps} swaps since ${clock(from)}`);
}
