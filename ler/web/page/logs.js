// The log of the router, or of an engine, as it goes on.

import { byId, make, offer } from "./dom.js";
import { Stream } from "./router.js";

const KEPT = 1000;
const LINES = 200;

export class LogView {
  constructor(refused) {
    this.refused = refused;
    this.select = byId("log-of");
    this.output = byId("log");
    this.stream = null;
    this.select.addEventListener("change", () => this.open());
    byId("log-follow").addEventListener("change", () => this.scroll());
  }

  show(world) {
    const engines = Object.keys(world.engines).filter((name) => world.engines[name].log);
    offer(this.select, [["", "the router"], ...engines.map((name) => [name, name])]);
    if (!this.stream) this.open();
  }

  open() {
    this.stream?.close();
    const engine = this.select.value;
    const of = engine ? `&engine=${encodeURIComponent(engine)}` : "";
    this.stream = new Stream({
      path: () => `logs/stream?lines=${LINES}${of}`,
      // The last lines come again with every connection.
      state: (state) => (state === "open" ? this.output.replaceChildren() : this.add(`[${state}]`)),
      told: (event, data) =>
        this.add(event === "log_gap" ? `[${data.lines} lines were left out]` : data.line),
      refused: this.refused,
    });
  }

  add(line) {
    this.output.append(make("div", "", line || " "));
    while (this.output.childElementCount > KEPT) this.output.firstElementChild.remove();
    this.scroll();
  }

  scroll() {
    if (byId("log-follow").checked) this.output.scrollTop = this.output.scrollHeight;
  }
}
