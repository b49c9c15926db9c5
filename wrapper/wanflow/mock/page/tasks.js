// The list of tasks: rows stay where they are, so that previews aren't loaded twice.

import { find, make, write } from "./dom.js";
import { ask } from "./server.js";

const rows = new Map();
let refresh = async () => {};

export function setUp(again) {
  refresh = again;
}

export async function show() {
  const { tasks } = await ask("tasks");
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
  tasks.forEach((task, place) => {
    const row = rows.get(task.id) ?? begin(task);
    fill(row, task);
    if (body.children[place] !== row.element) body.insertBefore(row.element, body.children[place] ?? null);
  });
}

function begin(task) {
  const row = {
    status: make("span"),
    error: make("span", { class: "dim" }),
    progress: make("progress", { max: 100, "aria-label": `Progress of ${task.id}` }),
    percent: make("span"),
    credits: make("td"),
    results: make("td"),
    look: make("button", { type: "button", "aria-label": `Look at ${task.id}`, onclick: () => look(task.id) }, "Look"),
  };
  row.element = make("tr", { "data-task": task.id },
    make("th", { scope: "row" }, make("code", {}, task.id)),
    make("td", {}, task.model, make("span", { class: "prompt" }, task.prompt)),
    make("td", {}, row.status, row.error),
    make("td", {}, row.progress, " ", row.percent),
    row.credits, row.results, make("td", {}, row.look));
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
  const url = new URL(link);
  const path = url.pathname;
  const shown = path.endsWith(".mp4")
    ? make("video", { src: path, controls: "", preload: "none", "aria-label": "Preview" })
    : make("img", { src: path, alt: "Preview", loading: "lazy" });
  return make("div", {}, shown, make("a", { href: path }, path.split("/").pop()));
}

async function look(id) {
  await ask(`tasks/${id}/look`, "POST", {});
  await refresh();
}
