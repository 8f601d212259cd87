// Anthropic's library for JavaScript.

import Anthropic from "@anthropic-ai/sdk";
import {
  ANSWERED, BIRDS, CITY, FAILURES, GUARDED, HELLO, KEY, PARAMETERS, ROUTER, SENTENCE, TREES,
  expect, gathered, raised, run, says,
} from "./check.mjs";

const client = new Anthropic({ baseURL: ROUTER, apiKey: "any" });
const TOOL = { name: "get_weather", input_schema: PARAMETERS };

const body = (model, more) => ({ model, messages: HELLO, max_tokens: 20, ...more });
const ask = (model, more) => client.messages.create(body(model, more));
const text = (event) => (event.type === "content_block_delta" ? event.delta.text : "");

async function streamed(model, expected) {
  says(await gathered(await ask(model, { stream: true }), text), expected);
  says(await client.messages.stream(body(model)).finalText(), expected);
}

await run("@anthropic-ai/sdk for Node", "@anthropic-ai/sdk", {
  async listing() {
    const names = await gathered(client.models.list(), ({ id }) => `${id} `);
    expect(names.includes("tiny-birds ") && names.includes("tiny-trees "), names);
  },
  async chat() {
    const answer = await ask("tiny-birds", { system: "Be brief." });
    says(answer.content[0].text, BIRDS);
    expect(answer.usage.input_tokens && answer.usage.output_tokens, answer);
    const counted = await client.messages.countTokens({ model: "tiny-birds", messages: HELLO });
    expect(counted.input_tokens, counted);
  },
  stream: () => streamed("tiny-birds", BIRDS),
  async swap() {
    await streamed("tiny-trees", TREES);
    await streamed("tiny-birds", BIRDS);
  },
  async tools() {
    const tools = [TOOL];
    const answer = await ask("recorded", { tools });
    const call = answer.content.at(-1);
    expect(answer.stop_reason === "tool_use" && call.input.city === CITY, answer);
    const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
    const said = { role: "assistant", content: answer.content };
    const messages = [...HELLO, said, { role: "user", content: [result] }];
    says(await client.messages.stream(body("recorded", { messages, tools })).finalText(), ANSWERED);
    const final = await client.messages.stream(body("recorded", { tools })).finalMessage();
    expect(final.content.at(-1).input.city === CITY, final);
  },
  async unknown() {
    for (const stream of [false, true])
      await raised(Anthropic.NotFoundError, "nothing", () => ask("nothing", { stream }));
  },
  async refused() {
    for (const stream of [false, true])
      await raised(Anthropic.BadRequestError, FAILURES.refuse, () => ask("refuse", { stream }));
  },
  async failed() {
    for (const stream of [false, true])
      await raised(Anthropic.InternalServerError, FAILURES.fail, () => ask("fail", { stream }));
    await raised(Anthropic.APIError, "out of memory", () => ask("broken"));
  },
  async midstream() {
    for (const model of ["complain", "cut"]) {
      const events = await ask(model, { stream: true });
      await raised(Anthropic.APIError, FAILURES[model], () => gathered(events));
    }
  },
  async auth() {
    const answer = (key) =>
      new Anthropic({ baseURL: GUARDED, ...key }).messages.create(body("recorded"));
    const wrong = { apiKey: "wrong" };
    await raised(Anthropic.AuthenticationError, "API key", () => answer(wrong));
    for (const key of [{ apiKey: KEY }, { apiKey: null, authToken: KEY }])
      says((await answer(key)).content[0].text, SENTENCE);
  },
  async wait() {
    says(await gathered(await ask("slow", { stream: true }), text), SENTENCE);
  },
});
