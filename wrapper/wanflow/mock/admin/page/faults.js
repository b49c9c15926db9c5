// Faults: a form that adds rules, and the list of active rules.

import { find, make, write } from "./dom.js";
import { ask, notice } from "./server.js";

let kinds = {};
let shown = "";

export function setUp(about, refresh) {
  kinds = about.faults;
  find("fault-name").append(...Object.keys(kinds).filter((name) => name !== "for").map((name) => make("option", { value: name }, name)));
  find("fault-operation").append(...about.operations.map((name) => make("option", { value: name }, name)));
  find("fault-name").addEventListener("change", explain);
  find("fault-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const rule = await ask("faults", "POST", newRule());
    notice(`The fault ${rule.fault} was added.`);
    await refresh();
  });
  find("faults-clear").addEventListener("click", async () => {
    await ask("faults", "DELETE");
    notice("All faults were removed.");
    await refresh();
  });
  explain();
}

export async function show() {
  const { faults } = await ask("faults");
  const now = JSON.stringify(faults);
  if (now === shown) return;
  shown = now;
  find("fault-rules").replaceChildren(...faults.map((rule) => make("li", {},
    make("code", {}, rule.fault),
    ` for ${rule.operation ?? "any operation"}, from call ${rule.nth}, `
      + `${rule.count ?? "any number of"} times, hit ${rule.hits} times `,
    make("button", { type: "button", "aria-label": `Remove ${rule.fault}`, onclick: () => ask(`faults/${rule.id}`, "DELETE").then(show) }, "Remove"))));
}

function explain() {
  const kind = kinds[find("fault-name").value];
  const value = find("fault-value");
  write(find("fault-effect"), kind.effect);
  value.disabled = kind.value === "";
  value.required = kind.value !== "";
  value.placeholder = kind.value;
  if (value.disabled) value.value = "";
}

function newRule() {
  const name = find("fault-name").value;
  const value = find("fault-value").value;
  const rule = {
    fault: value === "" ? name : `${name}=${value}`,
    nth: Number(find("fault-nth").value),
    probability: Number(find("fault-probability").value),
  };
  const operation = find("fault-operation").value;
  const count = find("fault-count").value;
  if (operation !== "") rule.operation = operation;
  if (count !== "") rule.count = Number(count);
  const seconds = find("fault-for").value;
  if (seconds !== "") rule.for = Number(seconds);
  return rule;
}
