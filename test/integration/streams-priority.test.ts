/** The processor goes to the daemon first, also while its streams process collects garbage. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { test } from "node:test";
import { runStreams } from "../support/streams.ts";

/** proc(5): of the fields behind the name, which may itself hold spaces and brackets. */
const niceField = 16;

test("every thread of the process has a lower priority than the daemon", async (t) => {
  const { port } = runStreams(t);
  await port.query({ text: "rows" }).collect();
  const folder = `/proc/${port.status().pid}/task`;
  const nices = readdirSync(folder).map((thread) => {
    const text = readFileSync(`${folder}/${thread}/stat`, "utf8");
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[niceField]);
  });
  assert.ok(nices.length > 4, "V8 has threads of its own");
  assert.deepEqual([...new Set(nices)], [10]);
  assert.ok(getPriority() < 10);
});
