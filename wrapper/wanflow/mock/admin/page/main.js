// Build the page, and refresh it every second while it is visible.

import * as clock from "./clock.js";
import { find, write } from "./dom.js";
import * as faults from "./faults.js";
import * as journal from "./journal.js";
import * as reference from "./reference.js";
import { ask, prefix } from "./server.js";
import * as tasks from "./tasks.js";

const EVERY = 1000;

async function refresh() {
  await Promise.all([clock.show(), tasks.show(), journal.show(), faults.show()]);
}

async function begin() {
  const [about, openapi] = await Promise.all([ask("about"), ask("openapi.json")]);
  write(find("base-url"), location.origin + prefix + about.base_path);
  write(find("any-key"), about.any_key ? "any" : "the one it was started with");
  write(find("progression"), about.progression);
  clock.setUp(refresh);
  tasks.setUp(refresh);
  journal.setUp(refresh);
  faults.setUp(about, refresh);
  reference.setUp(about, openapi, refresh);
  await refresh();
  document.documentElement.dataset.ready = "yes";
}

async function again() {
  if (!document.hidden) await refresh().catch(() => {});
  setTimeout(again, EVERY);
}

begin().then(() => setTimeout(again, EVERY));
