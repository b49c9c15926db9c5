// Send requests to the admin API, and show an error if one fails.
// Addresses are relative to the page, which a proxy or a framework may serve under any prefix.

import { find, write } from "./dom.js";

export async function ask(path, method = "GET", body = undefined) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    notice("The mock can't be reached.");
    throw error;
  }
  const found = await response.json();
  if (!response.ok) {
    notice(found.error?.message ?? `The mock responded with ${response.status}.`);
    throw new Error(`${method} ${path}: ${response.status}`);
  }
  return found;
}

export const prefix = new URL("..", location.href).pathname.slice(0, -1);

export function counted({ total, dropped }, shown) {
  const more = total > shown ? `; ${shown} of ${total} are shown` : "";
  return more + (dropped > 0 ? `; ${dropped} older ones were removed` : "");
}

export function notice(text) {
  write(find("notice"), text);
}
