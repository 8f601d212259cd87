// Talking to the router: requests with the key of this tab, and streams of events.

const ROOT = new URL("..", document.baseURI);
const KEY = "engine-router-key";

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/** What the router refused, in its own words. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  get wantsKey() {
    return this.status === 401 || this.status === 403;
  }
}

/** Send a request; the answer is a good one, or there is a Refusal. */
export async function ask(method, path, { body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (key.get()) sent.Authorization = `Bearer ${key.get()}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const response = await fetch(new URL(path, ROOT), {
    method,
    headers: sent,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
    cache: "no-store",
  });
  if (!response.ok) throw new Refusal(response.status, await complaint(response));
  return response;
}

async function complaint(response) {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    return error.message ?? String(error);
  } catch {
    return text.slice(0, 300) || `HTTP ${response.status}`;
  }
}

/** The events of a stream, one by one: {event, data, id}; heard() is called with every piece. */
export async function* eventsOf(response, heard = () => {}) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = {};
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((line) => line.replace(/\r$/, ""))) {
        if (line === "") {
          if ("data" in event) yield event;
          event = {};
          continue;
        }
        const colon = line.indexOf(":");
        if (colon < 1) continue;
        const name = line.slice(0, colon);
        const said = line.slice(colon + 1).replace(/^ /, "");
        event[name] = name === "data" && "data" in event ? `${event.data}\n${said}` : said;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const SILENCE_MS = 25_000;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];

/**
 * A stream of events that is opened again whenever it ends, until it is closed.
 *
 * path() names it, told(event, data) hears it, state("open" or a complaint) tells how it goes, and
 * refused(refusal) says when to try again, as a promise, or nothing.
 */
export class Stream {
  constructor({ path, told, state = () => {}, refused = () => undefined }) {
    Object.assign(this, { path, told, state, refused });
    this.last = "";
    this.tries = 0;
    this.closed = false;
    this.run();
  }

  close() {
    this.closed = true;
    this.abort?.abort();
  }

  async run() {
    while (!this.closed) {
      let wait;
      try {
        await this.listen();
      } catch (problem) {
        if (this.closed) return;
        this.state(problem instanceof Refusal ? problem.message : "no connection");
        if (problem instanceof Refusal) wait = this.refused(problem);
      }
      const pause = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
      await (wait ?? new Promise((resolve) => setTimeout(resolve, pause)));
    }
  }

  async listen() {
    this.abort = new AbortController();
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.abort.abort(), SILENCE_MS);
    };
    heard();
    try {
      const headers = this.last ? { "Last-Event-ID": this.last } : {};
      const response = await ask("GET", this.path(), { headers, signal: this.abort.signal });
      this.state("open");
      this.tries = 0;
      for await (const { event, data, id } of eventsOf(response, heard)) {
        if (id) this.last = id;
        this.told(event, JSON.parse(data));
      }
      this.state("no connection");
    } finally {
      clearTimeout(timer);
    }
  }
}
