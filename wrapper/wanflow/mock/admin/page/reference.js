// The API reference, from the served spec, with a form to try each operation.

import { find, make, write } from "./dom.js";
import { prefix } from "./server.js";

let document_ = {};
let base = "";
let refresh = async () => {};

export function setUp(about, openapi, again) {
  document_ = openapi;
  base = prefix + about.base_path;
  refresh = again;
  find("api-key").value = about.any_key ? about.example_key : "";
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (operation.responses) find("operations").append(entry(path, method, operation));
    }
  }
}

function entry(path, method, operation) {
  const section = make("details", { "data-operation": operation.operationId },
    make("summary", {}, `${method.toUpperCase()} ${path}`),
    make("p", { class: "text" }, operation.description ?? operation.summary ?? ""));
  const fields = operation.requestBody ? submission(operation) : query(operation);
  const output = make("pre", { tabindex: "0", role: "region", "aria-live": "polite", "aria-label": `Response of ${operation.operationId}` }, "No response yet.");
  const send = make("form", { onsubmit: (event) => {
    event.preventDefault();
    attempt(path, method, fields.read(), output);
  } }, ...fields.elements, make("button", { type: "submit" }, "Try it"));
  const statuses = Object.entries(operation.responses).map(([status, response]) => make("li", {}, `${status} ${response.description ?? ""}`));
  section.append(send, output, make("p", {}, "Responses"), make("ul", {}, ...statuses));
  return section;
}

function submission(operation) {
  const media = operation.requestBody.content["application/json"];
  const mapping = resolve(media.schema).discriminator.mapping;
  const examples = Object.values(media.examples ?? {}).map((example) => example.value);
  const model = make("select", {}, ...Object.keys(mapping).map((name) => make("option", { value: name }, name)));
  const body = make("textarea", { "aria-label": "Request", spellcheck: "false" });
  const parameters = make("div", {});
  const choose = () => {
    const name = model.value;
    const example = examples.find((one) => one.model === name) ?? { model: name };
    body.value = JSON.stringify(example, null, 2);
    parameters.replaceChildren(table(resolve({ $ref: mapping[name] })));
  };
  model.addEventListener("change", choose);
  choose();
  return {
    elements: [make("label", {}, "Model ", model), body, parameters],
    read: () => ({ names: {}, body: body.value }),
  };
}

function query(operation) {
  const inputs = (operation.parameters ?? []).map((raw) => {
    const parameter = resolve(raw);
    return [parameter.name, make("input", { required: "", autocomplete: "off", placeholder: parameter.example ?? "" })];
  });
  return {
    elements: inputs.map(([name, input]) => make("label", {}, `${name} `, input)),
    read: () => ({ names: Object.fromEntries(inputs.map(([name, input]) => [name, input.value])) }),
  };
}

function table(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, raw]) => {
    const rule = resolve(raw);
    return make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)),
      make("td", {}, [rule.type, required.has(name) ? "required" : "", allowed(rule)].flat().filter(Boolean).join(", ")),
      make("td", { class: "text" }, rule.description ?? ""));
  });
  return make("details", {}, make("summary", {}, "Parameters"), make("table", {}, make("tbody", {}, ...rows)));
}

function allowed(rule) {
  const words = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format"];
  const bounds = words.filter((word) => word in rule).map((word) => `${word} ${rule[word]}`);
  return rule.enum ? [`one of ${rule.enum.join(", ")}`, ...bounds] : bounds;
}

async function attempt(path, method, { names, body }, output) {
  const target = base + path.replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(names[name] ?? ""));
  const headers = { authorization: `Bearer ${find("api-key").value}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  write(output, "…");
  try {
    const response = await fetch(target, { method: method.toUpperCase(), headers, body });
    write(output, `${response.status} ${response.statusText}\n${pretty(await response.text())}`);
  } catch (error) {
    write(output, `No response: ${error.message}`);
  }
  await refresh();
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function resolve(node) {
  let found = node;
  while (found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((at, part) => at[part.replaceAll("~1", "/").replaceAll("~0", "~")], document_);
  }
  return found;
}
