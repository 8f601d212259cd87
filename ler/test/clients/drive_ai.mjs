// Vercel's AI SDK, with the providers of OpenAI (chats and responses), of compatible servers, of
// Anthropic and of Ollama.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, stepCountIs, streamText, tool } from "ai";
import { createOllama } from "ollama-ai-provider-v2";
import { z } from "zod";
import {
  BIRDS, CITY, FAILURES, GUARDED, KEY, ROUTER, SENTENCE, TREES,
  each, expect, gathered, raised, run, says,
} from "./check.mjs";

const providers = (base, apiKey) => ({
  chat: createOpenAI({ baseURL: `${base}/v1`, apiKey }).chat,
  responses: createOpenAI({ baseURL: `${base}/v1`, apiKey }),
  compatible: createOpenAICompatible({ name: "router", baseURL: `${base}/v1`, apiKey }),
  anthropic: createAnthropic({ baseURL: `${base}/v1`, apiKey }),
  ollama: createOllama({ baseURL: `${base}/api`, headers: { Authorization: `Bearer ${apiKey}` } }),
});
const OPEN = providers(ROUTER, "any");
// The words of an error do not come through Ollama's, and it takes those in a stream for nothing.
const { ollama, ...TELLING } = OPEN;

const weather = tool({
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});

const asked = (provider, model, more) => ({
  model: provider(model),
  prompt: "Hello",
  maxOutputTokens: 20,
  ...more,
});

const ask = async (provider, model, more) =>
  (await generateText(asked(provider, model, more))).text;

async function stream(provider, model, more) {
  let wrong = null;
  const onError = ({ error }) => {
    wrong = new Error(error.message ?? String(error));
  };
  const { textStream } = streamText({ ...asked(provider, model, more), onError });
  const said = await gathered(textStream, (part) => part);
  if (wrong) throw wrong;
  return said;
}

async function fails(kinds, model, words, status) {
  await each(kinds, async (provider) => {
    const e = await raised(Error, words, () => ask(provider, model));
    expect(!status || e.statusCode === status, e);
  });
}

await run("Vercel AI SDK", "ai", {
  chat: () => each(OPEN, async (provider) => says(await ask(provider, "tiny-birds"), BIRDS)),
  stream: () => each(OPEN, async (provider) => says(await stream(provider, "tiny-birds"), BIRDS)),
  async swap() {
    await each(OPEN, async (provider) => says(await stream(provider, "tiny-trees"), TREES));
    await each(OPEN, async (provider) => says(await stream(provider, "tiny-birds"), BIRDS));
  },
  tools: () =>
    each(OPEN, async (provider) => {
      const more = { tools: { get_weather: weather }, stopWhen: stepCountIs(3) };
      const answered = new RegExp(`sunny in ${CITY}`);
      says(await ask(provider, "recorded", more), answered);
      says(await stream(provider, "recorded", more), answered);
    }),
  async embed() {
    const model = OPEN.compatible.textEmbeddingModel("tiny-embed");
    const { embedding } = await embed({ model, value: "lark" });
    expect(embedding.length === 64, embedding);
  },
  unknown: () => fails(OPEN, "nothing", "", 404),
  refused: () => fails(TELLING, "refuse", FAILURES.refuse, 400),
  failed: () => fails(TELLING, "fail", FAILURES.fail),
  midstream: () =>
    each(TELLING, async (provider) => {
      for (const model of ["complain", "cut"])
        await raised(Error, FAILURES[model], () => stream(provider, model));
    }),
  async auth() {
    await each(providers(GUARDED, "wrong"), async (provider) => {
      const e = await raised(Error, "", () => ask(provider, "recorded"));
      expect(e.statusCode === 401, e);
    });
    await each(providers(GUARDED, KEY), async (provider) =>
      says(await ask(provider, "recorded"), SENTENCE),
    );
  },
  wait: () =>
    Promise.all(
      Object.values(OPEN).map(async (provider) => says(await stream(provider, "slow"), SENTENCE)),
    ),
});
