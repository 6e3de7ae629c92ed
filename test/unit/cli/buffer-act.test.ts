import assert from "node:assert/strict";
import { test } from "node:test";
import type { Access } from "../../../src/cli/buffer-access.ts";
import { actOn, meantBy, nothingDone, partsOf } from "../../../src/cli/buffer-act.ts";
import { parseSelection } from "../../../src/cli/buffer-arguments.ts";
import { type ActionResult, type BufferRow, maxKeys } from "../../../src/status/buffer-wire.ts";

const row: BufferRow = {
  key: 0,
  source: "main",
  topic: "t",
  payload: undefined,
  payloadBytes: 0,
  receivedMs: 0,
  uptimeMs: 0,
  bootKey: 1,
  flags: 0,
  offsetMs: undefined,
  isTimeDecided: true,
  place: 0,
  wait: undefined,
  aside: { code: "c", reason: "r", atMs: 0, letter: { database: "d", line: "l", device: undefined } },
};

/** Dead letters with these keys, in pages of a hundred. */
function access(keys: readonly number[]): Access {
  const never = async (): Promise<never> => await Promise.reject(new Error("nobody asks for this"));
  const buffer: Access["buffer"] = {
    stats: never,
    columns: never,
    async page({ after }) {
      const rows = keys.filter((key) => key > after).slice(0, 100);
      return { rows: rows.map((key) => ({ ...row, key })), next: rows.at(-1) };
    },
  };
  return { way: "daemon", buffer, close: async () => {} };
}

const chosen = parseSelection({ dead: true });
const { signal } = new AbortController();

test("what comes while it is asked or acted on is not meant", async () => {
  assert.ok(chosen.ok);
  const keys = Array.from({ length: 1200 }, (_, index) => index + 1);
  const there = access(keys);
  const [meant, ...others] = await meantBy(there, chosen.value);
  assert.deepEqual([meant, others], [{ kind: "dead", count: 1200, lastKey: 1200 }, []]);
  const parts: (readonly number[])[] = [];
  if (meant === undefined) return;
  for await (const part of partsOf(there, chosen.value, meant)) {
    parts.push(part);
    // As when what was put back is refused again.
    keys.push(...part.map((key) => key + 10_000));
  }
  assert.deepEqual(
    parts.map(({ length }) => length),
    [maxKeys, maxKeys, 200],
  );
  assert.equal(Math.max(...parts.flat()), 1200);
});

test("what one request could not finish is asked for again; a fault ends it, and what was done counts", async () => {
  const asked: number[][] = [];
  const done = nothingDone();
  const act = async (keys: readonly number[]): Promise<ActionResult> => {
    asked.push([...keys]);
    const fault = keys.length === 1 ? { code: "journal_full", message: "full", hint: undefined } : undefined;
    return { handled: 2, messages: 1, rows: 2, withoutBytes: 0, spared: 1, fault };
  };
  await assert.rejects(actOn([1, 2, 3, 4, 5], act, done, signal), { code: "journal_full" });
  assert.deepEqual(asked, [[1, 2, 3, 4, 5], [3, 4, 5], [5]]);
  assert.deepEqual(done, { messages: 3, rows: 6, withoutBytes: 0, spared: 3 });
});
