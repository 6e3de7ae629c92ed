import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { BugError, Fault } from "../../../src/lib/fault.ts";
import {
  type ActionResult,
  type BufferActions,
  bufferFromJson,
  type BufferPage,
  type BufferRow,
  maxActionBytes,
  maxKeys,
  type PageQuery,
  pagePath,
} from "../../../src/status/buffer-wire.ts";
import { askControl } from "../../../src/status/control-client.ts";
import { directory, parseReply, rawClient, request, startControl } from "./control-fixture.ts";

const done: ActionResult = { handled: 2, messages: 2, rows: 3, withoutBytes: 0, spared: 0, fault: undefined };

/** Remembers what it was asked for. */
class FakeBuffer implements BufferActions {
  readonly asked: unknown[] = [];
  rows: BufferRow[] = [];
  failure: Error | undefined;

  stats(): never {
    throw new BugError("BUG: nobody asks for this");
  }

  page(query: PageQuery): BufferPage {
    this.asked.push(query);
    if (this.failure !== undefined) throw this.failure;
    return { rows: this.rows, next: this.rows.at(-1)?.key };
  }

  columns(): never {
    throw new BugError("BUG: nobody asks for this");
  }

  async requeue(...asked: readonly unknown[]): Promise<ActionResult> {
    return this.#act("requeue", asked);
  }

  async resend(...asked: readonly unknown[]): Promise<ActionResult> {
    return this.#act("resend", asked);
  }

  async purge(...asked: readonly unknown[]): Promise<ActionResult> {
    return this.#act("purge", asked);
  }

  #act(what: string, asked: readonly unknown[]): ActionResult {
    if (this.failure !== undefined) throw this.failure;
    this.asked.push([what, ...asked]);
    return done;
  }
}

async function start(t: TestContext): Promise<{ path: string; buffer: FakeBuffer; ended: Promise<void> }> {
  const buffer = new FakeBuffer();
  const { path, ended } = await startControl(t, join(directory(t), "control.sock"), { buffer });
  return { path, buffer, ended };
}

async function post(path: string, target: string, body: string): Promise<{ code: number; text: string }> {
  const { signal } = new AbortController();
  const answer = await askControl(path, { method: "POST", path: target, body, maxBytes: 1e6 }, { signal });
  assert.ok("code" in answer);
  return answer;
}

test("a page comes over the socket as it is, with every byte of a payload", async (t) => {
  const { path, buffer } = await start(t);
  const payload = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const letter = { database: "payload", line: 'a f="\u0000\u2028" 1', device: undefined };
  buffer.rows = [
    {
      key: 7,
      source: "main",
      topic: "a/\u{1f4a9}",
      payload,
      payloadBytes: 256,
      receivedMs: 1.5,
      uptimeMs: 2,
      bootKey: 3,
      flags: 33,
      offsetMs: -4,
      isTimeDecided: false,
      place: 6,
      wait: { code: "w", reason: "why", sinceMs: 8 },
      aside: { code: "c", reason: "r", atMs: 5, letter },
    },
  ];
  const query: PageQuery = {
    kind: "dead",
    after: 6,
    count: 3,
    code: "a_b",
    device: "00ff",
    sinceMs: 1,
    untilMs: 2,
    content: true,
  };
  const { signal } = new AbortController();
  const answer = await askControl(path, { method: "GET", path: pagePath(query), maxBytes: 1e6 }, { signal });
  assert.ok("code" in answer);
  assert.equal(answer.code, 200);
  const page = bufferFromJson("page", answer.text);
  assert.deepEqual(JSON.parse(JSON.stringify(page)), {
    ...(JSON.parse(JSON.stringify({ rows: buffer.rows, next: 7 })) as object),
    format: 1,
    answer: "page",
  });
  assert.equal(bufferFromJson("stats", answer.text), undefined);
  assert.deepEqual(page?.rows[0]?.payload, payload);
  assert.deepEqual(buffer.asked, [query]);
});

test("an action is a POST with its keys, and its result the answer", async (t) => {
  const { path, buffer } = await start(t);
  for (const [target, body, asked] of [
    ["requeue", { kind: "dead", keys: [1, 2] }, ["requeue", "dead", [1, 2]]],
    ["resend", { kind: "settled", keys: [3] }, ["resend", [3]]],
    ["purge", { kind: "pending", keys: [4] }, ["purge", "pending", [4]]],
  ] as const) {
    const { code, text } = await post(path, `/buffer/${target}`, JSON.stringify(body));
    assert.equal(code, 200);
    assert.deepEqual(JSON.parse(text), {
      format: 1,
      answer: "action",
      ...(JSON.parse(JSON.stringify(done)) as object),
    });
    assert.deepEqual(buffer.asked.at(-1), asked);
  }
  const { code, headers } = await request(t, path, "GET /buffer/purge");
  assert.deepEqual([code, headers.get("allow")], [405, "POST"]);
});

describe("what is asked wrongly does nothing, and is told so", () => {
  const wrong: readonly (readonly [what: string, target: string, body: string])[] = [
    ["no JSON", "purge", "{"],
    ["nothing", "purge", ""],
    ["another kind", "requeue", '{"kind":"pending","keys":[1]}'],
    ["a key that is no number", "purge", '{"kind":"dead","keys":["1; DROP"]}'],
    ["a negative key", "purge", '{"kind":"dead","keys":[-1]}'],
    ["something more", "purge", '{"kind":"dead","keys":[1],"all":true}'],
    ["too many keys", "purge", JSON.stringify({ kind: "dead", keys: Array(maxKeys + 1).fill(1) })],
  ];
  for (const [what, target, body] of wrong) {
    test(what, async (t) => {
      const { path, buffer } = await start(t);
      const { code, text } = await post(path, `/buffer/${target}`, body);
      assert.equal(code, 400);
      assert.match(text, /^\{"error":".+"\}\n$/);
      assert.deepEqual(buffer.asked, []);
    });
  }

  for (const query of [
    "",
    "kind=all",
    "kind=dead&count=0",
    "kind=dead&count=501",
    "kind=dead&after=x",
    "kind=dead&x=1",
  ]) {
    test(`a page of "${query}"`, async (t) => {
      const { path, buffer } = await start(t);
      assert.equal((await request(t, path, `GET /buffer/page?${query}`)).code, 400);
      assert.deepEqual(buffer.asked, []);
    });
  }
});

test("a body has a bound, whoever says nothing of its length", async (t) => {
  const { path, buffer } = await start(t);
  const large = "x".repeat(maxActionBytes + 1);
  assert.equal((await post(path, "/buffer/purge", large)).code, 413);
  const chunked = `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
  const head = "POST /buffer/purge HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\n";
  const { received } = await rawClient(t, path, head + chunked);
  assert.equal(parseReply(await received).code, 413);
  assert.deepEqual(buffer.asked, []);
});

test("a client that goes in the middle of a body leaves nothing behind, and the next one is answered", async (t) => {
  const { path, buffer } = await start(t);
  const half = 'POST /buffer/purge HTTP/1.1\r\nHost: f\r\nContent-Length: 100\r\n\r\n{"kind":"dead"';
  const { socket, received } = await rawClient(t, path, half);
  socket.destroy();
  await received;
  assert.equal((await request(t, path, "GET /buffer/page?kind=dead")).code, 200);
  assert.deepEqual(buffer.asked.length, 1);
});

test("a fault is an answer with code and hint, and the socket goes on", async (t) => {
  const { path, buffer } = await start(t);
  buffer.failure = new Fault({
    code: "state_full",
    layer: "journal",
    disposition: "retry",
    message: "the disk is full",
    hint: "free space",
    cause: new Error("secret"),
  });
  const { code, text } = await post(path, "/buffer/purge", '{"kind":"dead","keys":[1]}');
  assert.equal(code, 503);
  assert.deepEqual(JSON.parse(text), {
    error: "the disk is full",
    fault: {
      code: "state_full",
      layer: "journal",
      disposition: "retry",
      message: "the disk is full",
      hint: "free space",
    },
  });
  buffer.failure = undefined;
  assert.equal((await request(t, path, "GET /buffer/page?kind=dead")).code, 200);
});

test("a bug in an action ends the part with it, for the supervisor, and nothing is answered", async (t) => {
  const { path, buffer, ended } = await start(t);
  buffer.failure = new BugError("BUG: planted");
  const failed = assert.rejects(ended, /planted/);
  await assert.rejects(post(path, "/buffer/purge", '{"kind":"dead","keys":[1]}'), {
    code: "control_answer_unusable",
  });
  await failed;
});

test("without a buffer its paths are not there", async (t) => {
  const { path } = await startControl(t, join(directory(t), "control.sock"));
  assert.equal((await request(t, path, "GET /buffer/stats")).code, 404);
});
