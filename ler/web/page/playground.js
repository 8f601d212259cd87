// A message to a model, and its answer as it comes.

import { byId, enable, offer, say } from "./dom.js";
import { ask, eventsOf } from "./router.js";
import { seconds } from "./words.js";

export class Playground {
  constructor(refused) {
    this.refused = refused;
    this.model = byId("try-model");
    this.prompt = byId("try-prompt");
    this.answer = byId("try-answer");
    this.state = byId("try-state");
    this.abort = null;
    this.busy(false);
    byId("try").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.abort) this.send();
    });
    byId("try-stop").addEventListener("click", () => this.abort?.abort());
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("try").requestSubmit();
    });
  }

  show(world) {
    const names = [...world.models.map((model) => model.id), ...Object.keys(world.aliases)];
    offer(
      this.model,
      names.map((name) => [name, name]),
    );
  }

  async send() {
    const began = performance.now();
    const since = () => (performance.now() - began) / 1000;
    this.abort = new AbortController();
    this.busy(true);
    this.answer.replaceChildren();
    say(this.state, "waiting");
    try {
      const body = {
        model: this.model.value,
        messages: [{ role: "user", content: this.prompt.value }],
        stream: true,
      };
      const { signal } = this.abort;
      const response = await ask("POST", "v1/chat/completions", { body, signal });
      let first = 0;
      let pieces = 0;
      for await (const { data } of eventsOf(response)) {
        if (data === "[DONE]") break;
        const { error, choices } = JSON.parse(data);
        if (error) throw new Error(error.message ?? String(error));
        const delta = choices?.[0]?.delta;
        const text = (delta?.reasoning_content ?? "") + (delta?.content ?? "");
        if (!text) continue;
        first ||= since();
        pieces += 1;
        this.answer.append(text);
        const spent = since() - first;
        const pace = spent > 0.5 ? `, ${(pieces / spent).toFixed(1)} pieces/s` : "";
        say(this.state, `first words after ${seconds(first)}${pace}`);
      }
      say(this.state, `${this.state.textContent}, done`);
    } catch (problem) {
      say(this.state, problem.name === "AbortError" ? "stopped" : problem.message);
      if (problem.wantsKey) this.refused(problem);
    } finally {
      this.abort = null;
      this.busy(false);
    }
  }

  busy(is) {
    enable(byId("try-send"), !is);
    enable(byId("try-stop"), is);
  }
}
