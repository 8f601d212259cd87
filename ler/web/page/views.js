// What is in memory, the queue, the models, the swaps and the requests, as tables and texts.

import { Children, button, byId, enable, make, mark, rowBuilder, say } from "./dom.js";
import { PHASES, bytes, clock, phasesOf, seconds } from "./words.js";

const SHOWN = 100;

const STATES = { here: "in memory", coming: "coming", going: "going" };
const TONES = { here: "good", coming: "busy", going: "busy" };

function slotView(world) {
  const title = make("h3");
  const state = make("p");
  const status = make("p", "busy");
  status.setAttribute("role", "status");
  const phases = make("ol", "phases");
  phases.setAttribute("aria-label", "Phases of the swap");
  const steps = PHASES.map((name) => make("li", "", name));
  phases.append(...steps);
  const last = make("p", "faint");
  const element = make("div", "slot", title, state, status, phases, last);
  return {
    element,
    update(slot) {
      const swap = world.swapOf(slot);
      say(
        title,
        slot.resident ?? (swap ? `${swap.from ?? "nothing"} → ${swap.to ?? "nothing"}` : "nothing"),
      );
      const parts = [`${slot.state} for ${seconds(world.grown(slot.for_s, slot.at))}`];
      if (slot.in_flight) parts.push(`${slot.in_flight} answering`);
      if (slot.slot !== "exclusive") parts.push("beside others");
      if (slot.paused) parts.push(`paused: ${slot.paused}`);
      if (slot.stuck) parts.push(`stuck: ${slot.stuck}`);
      say(state, parts.join(" · "));
      mark(state, slot.stuck ? "bad" : slot.paused ? "busy" : slot.resident ? "good" : "faint");
      say(status, swap ? `${swap.phase ?? "waiting"} (${swap.cause})` : "");
      status.hidden = !swap;
      const before = world.swaps.find((each) => each.slot === slot.slot);
      const shown = swap ?? before;
      phases.hidden = !shown;
      if (shown) {
        const spent = new Map(phasesOf(shown));
        PHASES.forEach((name, index) => {
          const took = spent.has(name) ? ` ${seconds(spent.get(name))}` : "";
          say(steps[index], `${name}${took}`);
          mark(steps[index], shown.phase === name ? "now" : took && "done");
          if (shown.phase === name) steps[index].setAttribute("aria-current", "step");
          else steps[index].removeAttribute("aria-current");
        });
      }
      say(last, !swap && before ? lastOf(before) : "");
      last.hidden = !last.textContent;
    },
  };
}

/** Everything that is shown as rows; acts are {load(model), cancel(request)}. */
export function makeViews(world, acts) {
  const slots = new Children(byId("slots"), () => slotView(world));
  const models = new Children(
    byId("models"),
    rowBuilder(
      [
        { className: "long", text: (model) => model.id },
        { className: "roomy", text: (model) => model.engine },
        {
          text: (model) => STATES[world.placeOf(model)] ?? "–",
          tone: (model) => TONES[world.placeOf(model)] ?? "faint",
        },
      ],
      (model) => {
        const element = button("Load", () => acts.load(model.id));
        element.setAttribute("aria-label", `Load ${model.id}`);
        return {
          element,
          update: (now) => {
            enable(element, !["here", "coming"].includes(world.placeOf(now)));
          },
        };
      },
    ),
  );
  const expected = ({ line, at }) => {
    if (typeof line.expected_s !== "number") return "–";
    return seconds(Math.max(0, line.expected_s - (world.now - at)));
  };
  const queue = new Children(
    byId("queue"),
    rowBuilder([
      { className: "long", text: ({ line }) => line.target },
      { className: "number", text: ({ line }) => String(line.waiting) },
      { className: "number", text: ({ line, at }) => seconds(world.grown(line.oldest_s, at)) },
      { className: "number", text: expected },
    ]),
  );
  const swaps = new Children(
    byId("swaps"),
    rowBuilder([
      { text: (swap) => clock(swap.at) },
      { text: (swap) => swap.from ?? "–" },
      { text: (swap) => swap.to ?? "–" },
      { text: (swap) => swap.cause },
      { className: "number", text: (swap) => seconds(swap.duration_s) },
      {
        text: (swap) =>
          phasesOf(swap)
            .map(([name, spent]) => `${name} ${seconds(spent)}`)
            .join(", "),
      },
      {
        className: "long",
        text: (swap) => (swap.ok ? (swap.settle ?? "ok") : swap.error),
        tone: (swap) => (swap.ok ? "good" : "bad"),
      },
    ]),
  );
  const states = (request) => {
    if (request.state !== "ended") return request.state;
    return request.outcome === "ok"
      ? String(request.status)
      : `${request.status} ${request.outcome}`;
  };
  const tones = { waiting: "busy", running: "good" };
  const requests = new Children(
    byId("requests"),
    rowBuilder(
      [
        { className: "roomy", text: (request) => clock(request.at) },
        { className: "long", text: (request) => request.model },
        {
          text: states,
          tone: (request) => tones[request.state] ?? (request.outcome === "ok" ? "" : "bad"),
        },
        { className: "number roomy", text: (request) => seconds(request.waited_s) },
        {
          className: "number",
          text: (request) =>
            seconds(
              request.state === "ended"
                ? request.seconds
                : world.grown(request.seconds, request.told),
            ),
        },
        {
          className: "number roomy",
          text: (request) => (request.state === "ended" ? bytes(request.bytes) : ""),
        },
        { className: "roomy", text: (request) => request.path },
      ],
      (request) => {
        const element = button("Cancel", () => acts.cancel(request.id));
        element.setAttribute("aria-label", `Cancel the request for ${request.model}`);
        return {
          element,
          update: (now) => {
            element.hidden = now.state === "ended";
          },
        };
      },
    ),
  );

  return () => {
    slots.show([...world.slots.values()].filter(isShown), (slot) => slot.slot);
    models.show(world.models, (model) => model.id);
    const lines = [...world.slots.values()].flatMap(({ queue: lines, at }) =>
      lines.map((line) => ({ line, at })),
    );
    queue.show(lines, ({ line }) => line.target);
    swaps.show(world.swaps.slice(0, SHOWN), (swap) => `${swap.slot} ${swap.at} ${swap.to}`);
    const listed = world.listed;
    const open = listed.filter((request) => request.state !== "ended").length;
    let left = Math.max(SHOWN - open, 10);
    requests.show(
      listed.filter((request) => request.state !== "ended" || left-- > 0),
      (request) => request.id,
    );
    say(byId("under-way"), world.underWay ? `(${world.underWay} under way)` : "");
  };
}

function lastOf(swap) {
  const end = swap.ok ? `memory ${(swap.settle ?? "unknown").replaceAll("_", " ")}` : swap.error;
  return `last swap at ${clock(swap.at)}, from ${swap.from ?? "nothing"} to ${swap.to ?? "nothing"}: ${end}`;
}

function isShown(slot) {
  return slot.slot === "exclusive" || slot.resident || slot.swap || slot.stuck;
}
