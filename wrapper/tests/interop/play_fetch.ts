// Submit, poll and an error with the types of openapi-typescript and the client openapi-fetch.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const [baseUrl, key, body] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const asked: components["schemas"]["VideoGenerationRequest"] = JSON.parse(body);

const made = await client.POST("/v1/videos/generations", { body: asked });
const id = made.data?.id;
if (id === undefined) throw new Error(`no task: ${JSON.stringify(made.error)}`);

async function poll(task_id: string) {
  return client.GET("/v1/tasks/{task_id}", { params: { path: { task_id } } });
}

let task = await poll(id);
for (let polls = 0; polls < 50 && task.data?.status !== "completed"; polls++) task = await poll(id);
const lost = await poll("task-unified-1-nowhere");
const refused = await client.POST("/v1/videos/generations", { body: { ...asked, prompt: "x".repeat(9999) } });
const report = {
  status: task.data?.status,
  results: task.data?.results?.length,
  lost: lost.response.status,
  message: lost.error?.error?.message,
  refused: refused.response.status,
};
console.log(JSON.stringify(report));
