// The journal of requests, with the reason why each was rejected.

import { find, make, write } from "./dom.js";
import { ask, counted } from "./server.js";

const SHOWN = 100;
let shown = "";

export function setUp(refresh) {
  find("journal-filter").addEventListener("change", () => { shown = ""; refresh(); });
  find("journal-clear").addEventListener("click", async () => {
    await ask("journal", "DELETE");
    await refresh();
  });
}

export async function show() {
  const found = await ask("journal");
  const { entries } = found;
  const filter = find("journal-filter").value;
  const wanted = entries.filter((entry) => filter === "all"
    || (filter === "rejected" ? entry.status >= 400 : entry.faults !== ""));
  const latest = wanted.slice(-SHOWN).reverse();
  write(find("journal-count"), counted({ ...found, total: filter === "all" ? found.total : wanted.length }, latest.length));
  const now = `${filter} ${latest.length} ${latest[0]?.number}`;
  if (now === shown) return;
  shown = now;
  find("journal-rows").replaceChildren(...latest.map(line));
}

function line(entry) {
  const status = make("td", { class: entry.status >= 400 || entry.status === 0 ? "error" : "ok" },
    entry.status === 0 ? "none" : String(entry.status));
  const request = make("td", {}, make("code", {}, `${entry.method} ${entry.path}`));
  if (entry.body) {
    request.append(make("details", {}, make("summary", {}, "body"), make("pre", {}, entry.body)));
  }
  const error = make("td", {}, entry.error);
  if (entry.parameter) error.append(make("span", { class: "near" }, `parameter ${entry.parameter}`));
  if (entry.near_miss) error.append(make("span", { class: "near" }, `Did it mean ${entry.near_miss}?`));
  if (entry.faults) error.append(make("span", { class: "near" }, `fault: ${entry.faults}`));
  return make("tr", {}, make("td", { class: "number", "data-label": "Nr" }, String(entry.number)), request, status,
    make("td", { class: "number", "data-label": "ms" }, (entry.seconds * 1000).toFixed(1)), error);
}
