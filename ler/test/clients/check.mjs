// What the scripts that drive clients for Node share; see check.py.

import { readFileSync } from "node:fs";

export const ROUTER = process.env.ROUTER ?? "http://127.0.0.1:8077";
export const GUARDED = process.env.GUARDED ?? "";
export const KEY = "sk-sesame";
export const BIRDS = some(
  "crane finch heron kestrel lark owl plover raven robin swift thrush wren",
);
export const TREES = some("alder ash beech birch cedar elm hazel larch maple oak pine willow");
export const SENTENCE = "The magpie steals \u201cthree\u201d spoons.";
export const CITY = "Z\u00fcrich";
export const ANSWERED = "It says: sunny";
export const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};
export const TOOL = {
  type: "function",
  function: { name: "get_weather", parameters: PARAMETERS },
};
export const HELLO = [{ role: "user", content: "Hello" }];
export const FAILURES = {
  refuse: "context size",
  fail: "Failed to parse",
  complain: "failed to decode",
  cut: "in the middle of its answer",
};

// Some of the words of a text.
function some(text) {
  return new RegExp(`^(\\s*(${text.replaceAll(" ", "|")}))+\\s*$`);
}

function report(what) {
  console.log(JSON.stringify(what));
}

// Run checks, or those that the command line names, and print a line for each.
export async function run(client, distribution, checks) {
  const manifest = new URL(`node_modules/${distribution}/package.json`, import.meta.url);
  report({ client, version: JSON.parse(readFileSync(manifest)).version });
  const wanted = process.argv.slice(2);
  for (const [check, call] of Object.entries(checks)) {
    if (wanted.length ? !wanted.includes(check) : check === "wait") continue;
    const began = Date.now();
    let wrong = null;
    try {
      await call();
    } catch (e) {
      wrong = `${e.name}: ${e.message}`;
    }
    report({ check, wrong, seconds: Math.round((Date.now() - began) / 100) / 10 });
  }
}

export function expect(condition, seen) {
  if (!condition) throw new Error(`unexpected: ${JSON.stringify(seen)}`);
}

export function says(text, expected) {
  const said = text ?? "";
  expect(expected instanceof RegExp ? expected.test(said) : said === expected, text);
}

// What a call raises, which must be of a kind and tell some words.
export async function raised(kind, words, call) {
  let value;
  try {
    value = await call();
  } catch (e) {
    if (!(e instanceof kind)) throw e;
    expect(e.message.includes(words), e.message);
    return e;
  }
  throw new Error(`nothing was raised, but returned: ${JSON.stringify(value)}`);
}

// The text of a stream, of which each event has a part.
export async function gathered(stream, part = () => "") {
  let text = "";
  for await (const event of stream) text += part(event) ?? "";
  return text;
}

// Do something with each of several kinds of a client.
export async function each(kinds, check) {
  const wrong = [];
  for (const [name, kind] of Object.entries(kinds)) {
    try {
      await check(kind, name);
    } catch (e) {
      wrong.push(`${name}: ${e.message}`);
    }
  }
  if (wrong.length) throw new Error(wrong.join("; "));
}
