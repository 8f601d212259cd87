// OpenAI's library for JavaScript.

import OpenAI from "openai";
import {
  ANSWERED, BIRDS, CITY, FAILURES, GUARDED, HELLO, KEY, PARAMETERS, ROUTER, SENTENCE, TOOL, TREES,
  expect, gathered, raised, run, says,
} from "./check.mjs";

const client = new OpenAI({ baseURL: `${ROUTER}/v1`, apiKey: "any" });

// Where fewer tokens end a response, the library misses what completes it.
const ENOUGH = 500;

const body = (model, more) => ({ model, messages: HELLO, max_tokens: 20, ...more });
const ask = (model, more) => client.chat.completions.create(body(model, more));
const respond = (model, more) =>
  client.responses.create({ model, input: "Hello", max_output_tokens: ENOUGH, ...more });
const content = (chunk) => chunk.choices[0]?.delta.content;
const delta = (event) => (event.type === "response.output_text.delta" ? event.delta : "");

async function streamed(model, expected) {
  says(await gathered(await ask(model, { stream: true }), content), expected);
  const final = await client.chat.completions.stream(body(model)).finalChatCompletion();
  says(final.choices[0].message.content, expected);
}

await run("openai for Node", "openai", {
  async listing() {
    const names = await gathered(client.models.list(), ({ id }) => `${id} `);
    expect(names.includes("tiny-birds ") && names.includes("tiny-trees "), names);
  },
  async chat() {
    const answer = await ask("tiny-birds");
    says(answer.choices[0].message.content, BIRDS);
    expect(answer.usage.completion_tokens, answer);
  },
  stream: () => streamed("tiny-birds", BIRDS),
  async swap() {
    await streamed("tiny-trees", TREES);
    await streamed("tiny-birds", BIRDS);
  },
  async tools() {
    const told = { tools: [TOOL] };
    const { message } = (await ask("recorded", told)).choices[0];
    const [call] = message.tool_calls;
    expect(JSON.parse(call.function.arguments).city === CITY, call);
    const result = { role: "tool", tool_call_id: call.id, content: "sunny" };
    const more = { ...told, messages: [...HELLO, message, result], stream: true };
    says(await gathered(await ask("recorded", more), content), ANSWERED);
    const events = client.chat.completions.stream(body("recorded", told));
    const [again] = (await events.finalChatCompletion()).choices[0].message.tool_calls;
    expect(JSON.parse(again.function.arguments).city === CITY, again);
  },
  async responses() {
    for (const [model, expected] of [["recorded", SENTENCE], ["tiny-birds", BIRDS]]) {
      says((await respond(model)).output_text, expected);
      says(await gathered(await respond(model, { stream: true }), delta), expected);
      const asked = { model, input: "Hello", max_output_tokens: ENOUGH };
      says((await client.responses.stream(asked).finalResponse()).output_text, expected);
    }
    const described = { name: "get_weather", parameters: PARAMETERS, strict: true };
    const tools = [{ type: "function", ...described }];
    const asked = { model: "recorded", input: "Hello", tools };
    const [call] = (await client.responses.stream(asked).finalResponse()).output;
    expect(JSON.parse(call.arguments).city === CITY, call);
    const result = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
    const input = [...HELLO, call, result];
    says((await respond("recorded", { input, tools })).output_text, ANSWERED);
  },
  async embed() {
    const asked = { model: "tiny-embed", input: ["lark", "owl"] };
    const { data } = await client.embeddings.create(asked);
    expect(data.length === 2 && data[0].embedding.length === 64, data);
  },
  async unknown() {
    for (const stream of [false, true]) {
      const e = await raised(OpenAI.NotFoundError, "nothing", () => ask("nothing", { stream }));
      expect(e.code === "model_not_found", e);
    }
  },
  async refused() {
    for (const call of [ask, respond])
      for (const stream of [false, true])
        await raised(OpenAI.BadRequestError, FAILURES.refuse, () => call("refuse", { stream }));
  },
  async failed() {
    for (const stream of [false, true])
      await raised(OpenAI.InternalServerError, FAILURES.fail, () => ask("fail", { stream }));
    await raised(OpenAI.InternalServerError, "out of memory", () => ask("broken"));
  },
  async midstream() {
    for (const model of ["complain", "cut"])
      for (const call of [ask, respond]) {
        const events = await call(model, { stream: true });
        await raised(OpenAI.APIError, FAILURES[model], () => gathered(events));
      }
  },
  async auth() {
    const answer = (apiKey) =>
      new OpenAI({ baseURL: `${GUARDED}/v1`, apiKey }).chat.completions.create(body("recorded"));
    await raised(OpenAI.AuthenticationError, "API key", () => answer("wrong"));
    says((await answer(KEY)).choices[0].message.content, SENTENCE);
  },
  async wait() {
    const response = gathered(await respond("slow", { stream: true }), delta);
    says(await gathered(await ask("slow", { stream: true }), content), SENTENCE);
    says(await response, SENTENCE);
  },
});
