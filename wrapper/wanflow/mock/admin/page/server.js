// Send requests to the admin API, and show an error if one fails.

import { find, write } from "./dom.js";

export async function ask(path, method = "GET", body = undefined) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`/_mock/${path}`, options);
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

export function notice(text) {
  write(find("notice"), text);
}
