// Ollama's library for JavaScript.

import { Ollama } from "ollama";
import {
  ANSWERED, BIRDS, CITY, FAILURES, GUARDED, HELLO, KEY, ROUTER, SENTENCE, TOOL, TREES,
  expect, gathered, raised, run, says,
} from "./check.mjs";

const client = new Ollama({ host: ROUTER });
const options = { num_predict: 20 };

const ask = (model, more) => client.chat({ model, messages: HELLO, options, ...more });
const text = (part) => part.message.content;

async function streamed(model, expected) {
  says(await gathered(await ask(model, { stream: true }), text), expected);
}

async function chat() {
  const answer = await ask("tiny-birds");
  says(answer.message.content, BIRDS);
  expect(answer.done && answer.eval_count, answer);
}

async function running() {
  return (await client.ps()).models.map(({ name }) => name);
}

await run("ollama for Node", "ollama", {
  async listing() {
    const names = (await client.list()).models.map(({ name }) => name);
    expect(names.includes("tiny-birds") && names.includes("tiny-trees"), names);
    for (const model of names) {
      const shown = await client.show({ model });
      expect(shown.capabilities.length && shown.model_info && shown.details, shown);
    }
    await chat();
    expect((await running()).includes("tiny-birds"));
    expect((await client.version()).version);
  },
  chat,
  stream: () => streamed("tiny-birds", BIRDS),
  async generate() {
    const asked = { model: "tiny-birds", prompt: "Hello", options };
    says((await client.generate(asked)).response, BIRDS);
    const parts = await client.generate({ ...asked, stream: true });
    says(await gathered(parts, ({ response }) => response), BIRDS);
    says((await client.generate({ ...asked, raw: true })).response, BIRDS);
  },
  async load() {
    const asked = { model: "tiny-trees", prompt: "" };
    expect((await client.generate(asked)).done_reason === "load");
    const names = await running();
    expect(names.includes("tiny-trees") && !names.includes("tiny-birds"), names);
    expect((await client.generate({ ...asked, keep_alive: 0 })).done_reason === "unload");
  },
  async swap() {
    await streamed("tiny-trees", TREES);
    await streamed("tiny-birds", BIRDS);
  },
  async tools() {
    const tools = [TOOL];
    const { message } = await ask("recorded", { tools });
    const [call] = message.tool_calls;
    expect(call.function.arguments.city === CITY, call);
    const result = { role: "tool", tool_name: "get_weather", content: "sunny" };
    const messages = [...HELLO, message, result];
    says(await gathered(await ask("recorded", { messages, tools, stream: true }), text), ANSWERED);
    const calls = [];
    await gathered(await ask("recorded", { tools, stream: true }), ({ message }) => {
      calls.push(...(message.tool_calls ?? []));
    });
    expect(calls.length === 1 && calls[0].function.arguments.city === CITY, calls);
  },
  async embed() {
    const model = "tiny-embed";
    const { embeddings } = await client.embed({ model, input: ["lark", "owl"] });
    expect(embeddings.length === 2 && embeddings[0].length === 64, embeddings);
    const { embedding } = await client.embeddings({ model, prompt: "lark" });
    expect(embedding.length === 64, embedding);
  },
  async unknown() {
    for (const stream of [false, true]) {
      const e = await raised(Error, "nothing", () => ask("nothing", { stream }));
      expect(e.status_code === 404, e);
    }
  },
  async refused() {
    for (const stream of [false, true]) {
      const e = await raised(Error, FAILURES.refuse, () => ask("refuse", { stream }));
      expect(e.status_code === 400, e);
    }
  },
  async failed() {
    for (const stream of [false, true]) {
      const e = await raised(Error, FAILURES.fail, () => ask("fail", { stream }));
      expect(e.status_code === 500, e);
    }
    await raised(Error, "out of memory", () => ask("broken"));
  },
  async midstream() {
    for (const model of ["complain", "cut"]) {
      const parts = await ask(model, { stream: true });
      await raised(Error, FAILURES[model], () => gathered(parts));
    }
  },
  async auth() {
    const answer = (key) => {
      const headers = { Authorization: `Bearer ${key}` };
      return new Ollama({ host: GUARDED, headers }).chat({ model: "recorded", messages: HELLO });
    };
    const e = await raised(Error, "API key", () => answer("wrong"));
    expect(e.status_code === 401, e);
    says((await answer(KEY)).message.content, SENTENCE);
  },
  wait: () => streamed("slow", SENTENCE),
});
