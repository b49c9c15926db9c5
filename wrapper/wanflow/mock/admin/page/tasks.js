// The list of tasks: rows are kept, so that previews aren't loaded twice.

import { find, make, write } from "./dom.js";
import { ask, counted } from "./server.js";

const rows = new Map();
// Videos are rendered when they are requested, so only visible ones are loaded.
const visible = new IntersectionObserver((found) => found.forEach(({ isIntersecting, target }) => {
  if (!isIntersecting) return;
  target.preload = "metadata";
  visible.unobserve(target);
}));
let refresh = async () => {};

export function setUp(again) {
  refresh = again;
}

export async function show() {
  const found = await ask("tasks");
  const { tasks } = found;
  write(find("task-count"), counted(found, tasks.length));
  find("no-tasks").hidden = tasks.length > 0;
  find("task-table").hidden = tasks.length === 0;
  const body = find("task-rows");
  const known = new Set(tasks.map((task) => task.id));
  for (const [id, row] of rows) {
    if (!known.has(id)) {
      row.element.remove();
      rows.delete(id);
    }
  }
  tasks.forEach((task, index) => {
    const row = rows.get(task.id) ?? begin(task);
    fill(row, task);
    if (body.children[index] !== row.element) body.insertBefore(row.element, body.children[index] ?? null);
  });
}

function begin(task) {
  const row = {
    status: make("span"),
    error: make("span", { class: "dim" }),
    progress: make("progress", { max: 100, "aria-label": `Progress of ${task.id}` }),
    percent: make("span"),
    credits: make("td", { class: "number", "data-label": "Credits" }),
    results: make("td"),
    poll: make("button", { type: "button", "aria-label": `Poll ${task.id}`, onclick: () => poll(task.id) }, "Poll"),
  };
  row.element = make("tr", { "data-task": task.id },
    make("th", { scope: "row" }, make("code", {}, task.id)),
    make("td", {}, task.model, make("span", { class: "prompt" }, task.prompt)),
    make("td", {}, row.status, row.error),
    make("td", {}, row.progress, " ", row.percent),
    row.credits, row.results, make("td", {}, row.poll));
  rows.set(task.id, row);
  return row;
}

function fill(row, task) {
  write(row.status, task.status);
  row.status.className = task.status;
  write(row.error, task.error ? ` ${task.error.code}` : "");
  row.progress.value = task.progress;
  write(row.percent, `${task.progress} %`);
  write(row.credits, task.credits);
  if (task.expired) row.results.replaceChildren("links expired");
  else if (task.results && !row.results.hasChildNodes()) row.results.append(...task.results.map(preview));
}

function preview(link) {
  const path = new URL(link).pathname.replace(/^.*(?=\/media\/)/, "");
  // Previews have their own paths: faults and journal are for the clients.
  return make("div", {}, shown(path.slice(1)), make("a", { href: `..${path}` }, path.split("/").pop()));
}

function shown(path) {
  if (path.endsWith(".png")) return make("img", { src: path, alt: "Preview", loading: "lazy" });
  const kind = { mp4: "video", wav: "audio" }[path.split(".").pop()];
  if (!kind) return null;
  const player = make(kind, { src: path, controls: "", preload: "none", "aria-label": "Preview" });
  visible.observe(player);
  return player;
}

async function poll(id) {
  await ask(`tasks/${id}/poll`, "POST", {});
  await refresh();
}
