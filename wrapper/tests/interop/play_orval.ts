// The same with the functions that orval makes; they leave the server and the key to `fetch`.
import { createVideoGeneration, getTaskDetail } from "./orval";
import type { VideoGenerationRequest } from "./orval";

const [baseUrl, key, body] = process.argv.slice(2) as [string, string, string];
const fetched = globalThis.fetch;
globalThis.fetch = (url, options) => fetched(`${baseUrl}${url}`, options);
const headers = { Authorization: `Bearer ${key}` };
const asked: VideoGenerationRequest = JSON.parse(body);

const made = await createVideoGeneration(asked, { headers });
if (made.status !== 200 || made.data.id === undefined) throw new Error(JSON.stringify(made));
const id = made.data.id;
let task = await getTaskDetail(id, { headers });
for (let polls = 0; polls < 50 && task.status === 200 && task.data.status !== "completed"; polls++)
  task = await getTaskDetail(id, { headers });
const lost = await getTaskDetail("task-unified-1-nowhere", { headers });
const refused = await createVideoGeneration({ ...asked, prompt: "x".repeat(9999) }, { headers });
const report = {
  status: task.status === 200 ? task.data.status : task.status,
  results: task.status === 200 ? task.data.results?.length : 0,
  lost: lost.status,
  message: lost.status === 404 ? lost.data.error?.message : "",
  refused: refused.status,
};
console.log(JSON.stringify(report));
