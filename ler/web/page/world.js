// What the page knows of the router: a snapshot, and what was told since.

const SAMPLES = 6000;
const REQUESTS = 200;
const SWAPS = 500;

/** The phases in which what was there is gone. */
const AFTER = new Set(["settle", "start"]);

export class World {
  constructor() {
    this.ready = false;
    this.skew = 0;
    this.samples = [];
    this.forget();
  }

  forget() {
    this.version = "";
    this.models = [];
    this.aliases = {};
    this.engines = {};
    this.slots = new Map();
    this.swaps = [];
    this.requests = new Map();
    this.underWay = 0;
  }

  /** The router's time of day, in seconds. */
  get now() {
    return Date.now() / 1000 + this.skew;
  }

  told(event, data) {
    if ("at" in data) this.skew = data.at - Date.now() / 1000;
    this[`on_${event}`]?.(data);
  }

  on_snapshot(data) {
    this.forget();
    this.ready = true;
    this.version = data.version;
    this.models = data.models;
    this.aliases = data.aliases;
    this.engines = data.engines;
    this.swaps = data.swaps;
    for (const slot of data.slots) this.on_slot({ at: data.at, slot });
    this.on_requests(data);
    if (this.swaps.length) this.remember(this.swaps[0], data.curves);
    this.on_memory({ at: data.at, free: data.memory.free ?? {} });
  }

  on_slot({ at, slot }) {
    this.slots.set(slot.slot, { ...slot, at });
  }

  on_swap({ swap, curves }) {
    this.swaps = [swap, ...this.swaps].slice(0, SWAPS);
    this.remember(swap, curves);
  }

  /** The router has looked at the memory more closely than it told us then. */
  remember(swap, curves) {
    const stop = swap.at + (swap.phases.drain ?? 0);
    const closer = new Map();
    for (const [name, points] of Object.entries(curves)) {
      for (const [seconds, value] of points) {
        const at = stop + seconds;
        closer.set(at, { at, free: { ...closer.get(at)?.free, [name]: value } });
      }
    }
    const until = Math.max(...closer.keys());
    const others = this.samples.filter(({ at }) => at < stop || at > until);
    this.samples = [...others, ...closer.values()].sort((a, b) => a.at - b.at);
  }

  on_requests({ at, under_way: underWay, all, requests }) {
    if (all) this.requests.clear();
    this.underWay = underWay;
    for (const request of requests) this.requests.set(request.id, { ...request, told: at });
    const ended = this.listed.filter((request) => request.state === "ended");
    for (const request of ended.slice(REQUESTS)) this.requests.delete(request.id);
  }

  on_memory({ at, free }) {
    this.samples.push({ at, free });
    if (this.samples.length > SAMPLES) this.samples.splice(0, SAMPLES / 10);
  }

  /** The requests, the newest first. */
  get listed() {
    return [...this.requests.values()].sort((a, b) => b.at - a.at);
  }

  /** How long something has gone on that had gone on for so long when it was told. */
  grown(seconds, told) {
    return seconds + Math.max(0, this.now - told);
  }

  /** The swap that is under way in a slot, with its phases as they are now, or null. */
  swapOf(slot) {
    if (!slot.swap) return null;
    const phases = { ...slot.swap.phases };
    const { phase } = slot.swap;
    if (phase) phases[phase] = this.grown(phases[phase] ?? 0, slot.at);
    return { ...slot.swap, phases, duration_s: this.grown(slot.swap.duration_s, slot.at) };
  }

  /** Where a model is: "here", "coming", "going" or "". */
  placeOf(model) {
    for (const slot of this.slots.values()) {
      if (slot.swap?.to === model.residency) return "coming";
      if (slot.swap?.from === model.residency && !AFTER.has(slot.swap.phase)) return "going";
      if (slot.resident === model.residency) return "here";
    }
    return "";
  }
}
