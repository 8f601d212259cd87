// Numbers as people read them.

const GIB = 1024 ** 3;

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 90) return `${value.toFixed(0)} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return `${(value / 1024).toFixed(1)} KiB`;
  if (value < GIB) return `${(value / 1024 ** 2).toFixed(1)} MiB`;
  return `${(value / GIB).toFixed(1)} GiB`;
}

export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString([], { hour12: false });
}

const PHASES = ["drain", "free", "settle", "start"];

/** The phases of a swap, in their order, as [name, seconds]. */
export function phasesOf(swap) {
  return PHASES.filter((name) => name in swap.phases).map((name) => [name, swap.phases[name]]);
}

export { PHASES };
