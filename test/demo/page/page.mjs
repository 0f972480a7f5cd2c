// The shop as its users see it: a tile a user, each with the unmodified web SDK, a provider and an event stream of their own.
// test/demo/storefront.ts drives it by what hangs on `window.shop`.
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";

const ASKS_EVERY_MS = 1_000;
const at = (id) => document.getElementById(id);
const tiles = new Map();
let feature = { key: "", name: "", what: "" };
let changedAt = 0;

/** A browser opens six connections to a host; every name beneath localhost is one. */
const serverOf = (user, port) => `http://${user}.localhost:${port}`;

async function start({ users, port, token }) {
  for (const user of users) {
    const li = document.createElement("li");
    li.innerHTML = "<b><span></span><u></u></b><em></em>";
    li.querySelector("span").textContent = user;
    at("users").append(li);
    tiles.set(user, { li, client: OpenFeature.getClient(user), isNew: false, failed: 0 });
  }
  await Promise.all(users.map((user) => join(user, port, token)));
  for (const [i, user] of users.entries())
    setTimeout(() => setInterval(() => void ask(user), ASKS_EVERY_MS), (i * ASKS_EVERY_MS) / users.length);
}

async function join(user, port, token) {
  const headers = [["Authorization", `Bearer ${token}`]];
  await OpenFeature.setContext(user, { targetingKey: user });
  await OpenFeature.setProviderAndWait(user, new OFREPWebProvider({ baseUrl: serverOf(user, port), headers }));
  tiles.get(user).client.addHandler(ProviderEvents.ConfigurationChanged, () => look(user));
  look(user);
}

/** What the SDK says now. */
function look(user) {
  const tile = tiles.get(user);
  const isNew = feature.key !== "" && tile.client.getBooleanValue(feature.key, false);
  if (isNew !== tile.isNew) changedAt = Date.now();
  tile.isNew = isNew;
  draw(tile);
}

/** Uses the shop, as users do; the answer is the program's. */
async function ask(user) {
  const tile = tiles.get(user);
  if (feature.key === "") return;
  const { key } = feature;
  const { failed } = await (await fetch(`/ask?user=${user}&key=${key}`)).json().catch(() => ({ failed: false }));
  if (!failed || key !== feature.key) return;
  tile.failed++;
  draw(tile);
}

function draw({ li, isNew, failed }) {
  li.className = isNew ? (failed > 0 ? "hurt" : "new") : failed > 0 ? "was" : "";
  li.querySelector("em").textContent = `${isNew ? "new" : "old"} ${feature.name}`;
  li.querySelector("u").textContent = failed > 0 ? `${failed} ✕` : "";
  const all = [...tiles.values()];
  const sum = all.reduce((total, tile) => total + tile.failed, 0);
  at("treated").textContent = `${all.filter((tile) => tile.isNew).length} of ${all.length}`;
  at("failed").textContent = sum;
  at("failed").className = sum > 0 ? "bad" : "";
}

/** Another feature is looked at from now on. */
function watch({ key, name, what, steps }) {
  feature = { key, name };
  at("title").textContent = `New ${name}`;
  at("what").textContent = `${what} that failed here`;
  for (const old of at("bar").querySelectorAll("span")) old.remove();
  for (const percent of [0, ...steps, 100]) {
    const mark = document.createElement("span");
    mark.style.left = `${percent}%`;
    mark.textContent = `${percent} %`;
    at("bar").append(mark);
  }
  for (const [user, tile] of tiles) {
    tile.failed = 0;
    look(user);
  }
}

function tell({ tone, phase, sentence, percent, share }) {
  document.querySelector("main").dataset.tone = tone;
  at("phase").textContent = phase;
  at("sentence").textContent = sentence;
  at("bar").querySelector("i").style.width = `${percent}%`;
  if (share !== undefined) at("share").textContent = share;
}

/** What each user has, when that last changed, and how many requests failed. */
function seen() {
  const all = [...tiles];
  return {
    treated: all.filter(([, tile]) => tile.isNew).map(([user]) => user),
    hurt: all.filter(([, tile]) => tile.failed > 0).length,
    changedAt,
  };
}

window.shop = { start, watch, tell, seen };
