// The clock: its time, and buttons that advance it.

import { find, write } from "./dom.js";
import { ask, notice } from "./server.js";

export function setUp(refresh) {
  for (const button of document.querySelectorAll("[data-seconds]")) {
    button.addEventListener("click", async () => {
      await ask("clock/advance", "POST", { seconds: Number(button.dataset.seconds) });
      notice(`The clock was advanced by ${button.textContent.slice(1)}.`);
      await refresh();
    });
  }
}

export async function show() {
  const clock = await ask("clock");
  const time = new Date(clock.now * 1000);
  write(find("now"), Number.isNaN(time.valueOf()) ? clock.now : time.toISOString().replace("T", " ").slice(0, 19));
  write(find("runs"), clock.runs ? "(UTC, running)" : "(UTC, stopped)");
}
