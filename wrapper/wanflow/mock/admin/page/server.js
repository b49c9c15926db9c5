// Talk to the mock's own side, and say plainly when that fails.

import { find, write } from "./dom.js";

export async function ask(path, method = "GET", body = undefined) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(`/_mock/${path}`, options);
  } catch (error) {
    notice("The mock can't be reached.");
    throw error;
  }
  const found = await answer.json();
  if (!answer.ok) {
    notice(found.error?.message ?? `The mock answered ${answer.status}.`);
    throw new Error(`${method} ${path}: ${answer.status}`);
  }
  return found;
}

export function notice(text) {
  write(find("notice"), text);
}
