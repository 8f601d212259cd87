// The page: keeps the world up to date, and shows it.

import { byId, say } from "./dom.js";
import { LogView } from "./logs.js";
import { Playground } from "./playground.js";
import { drawMemory } from "./memory.js";
import { Refusal, Stream, ask, key } from "./router.js";
import { drawTurns } from "./turns.js";
import { makeViews } from "./views.js";
import { World } from "./world.js";

const world = new World();

// The key.

const dialog = byId("key-dialog");
let waiting = [];

function askForKey(reason) {
  if (dialog.open) return;
  say(
    byId("key-reason"),
    `${reason ? `${reason}. ` : ""}It is kept in this tab until you close it.`,
  );
  byId("key").value = "";
  dialog.showModal();
}

/** When to try again after a refusal: once there is another key, if that is what it takes. */
function refused(refusal) {
  if (!refusal.wantsKey) return undefined;
  askForKey(refusal.message);
  return new Promise((resolve) => waiting.push(resolve));
}

byId("key-button").addEventListener("click", () => askForKey(""));
byId("key-cancel").addEventListener("click", () => dialog.close());
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(byId("key").value.trim());
  dialog.close();
  const resolved = waiting;
  waiting = [];
  for (const resolve of resolved) resolve();
});

// Orders.

function complain(text) {
  const notice = byId("notice");
  say(notice, text);
  notice.hidden = !text;
}

async function order(method, path, body) {
  complain("");
  try {
    await ask(method, path, { body });
  } catch (problem) {
    if (problem instanceof Refusal && problem.status === 401) askForKey(problem.message);
    else complain(problem.message);
  }
}

const paused = () => [...world.slots.values()].some((slot) => slot.paused);

byId("unload").addEventListener("click", () => order("POST", "admin/unload?wait=1", {}));
byId("pause").addEventListener("click", () =>
  paused() ? order("POST", "admin/resume", {}) : order("POST", "admin/pause?wait=1", {}),
);

// Showing it.

const showRows = makeViews(world, {
  load: (model) => order("POST", "admin/swap?wait=1", { model }),
  cancel: (id) => order("DELETE", `admin/requests/${encodeURIComponent(id)}`),
});
const logs = new LogView(refused);
const playground = new Playground(refused);

function show() {
  if (!world.ready) return;
  showRows();
  logs.show(world);
  playground.show(world);
  drawMemory(byId("memory"), byId("memory-text"), world);
  say(byId("pause"), paused() ? "Resume" : "Pause");
  say(byId("version"), `engine-router ${world.version}`);
  const holder = world.slots.get("exclusive")?.resident;
  document.title = holder ? `${holder} · engine-router` : "engine-router";
}

let due = false;
function showSoon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    show();
  });
}

function showTurns() {
  if (!world.ready) return;
  drawTurns(byId("turns"), byId("turns-text"), world, Number(byId("span").value));
}

function showAll() {
  showSoon();
  showTurns();
}

// Some things change by themselves: how long something takes, and what time it is.
setInterval(showAll, 1000);
addEventListener("resize", showAll);
byId("span").addEventListener("change", showTurns);

const connection = byId("connection");

new Stream({
  path: () => "events",
  told: (event, data) => {
    world.told(event, data);
    showSoon();
  },
  state: (state) => {
    say(connection, state === "open" ? "live" : state);
    connection.className = state === "open" ? "good" : "lost";
  },
  refused,
});
