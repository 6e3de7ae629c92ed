import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { calmMs, Contest, type Ending, howEnded, Witness } from "../../../src/mqtt/contest.ts";
import { lostFault, reasonFault } from "../../../src/mqtt/faults.ts";
import { freePort, waitFor } from "../../support/wait.ts";

const closed: Ending = { how: "closed", lastedMs: 2000, sessionPresent: true, evidence: "stood" };
const takenOver: Ending = { ...closed, how: "taken over", evidence: "none" };

function after(...endings: readonly Ending[]): Contest {
  const contest = new Contest();
  for (const ending of endings) contest.ended(ending);
  return contest;
}

describe("a fight for the client id", () => {
  const fallen: Ending = { ...closed, evidence: "fell" };
  const unseen: Ending = { ...closed, evidence: "none" };
  const table: readonly (readonly [string, readonly Ending[], boolean])[] = [
    ["three short connections, one after the other", [unseen, closed, closed], true],
    ["two are none", [unseen, closed], false],
    ["but for the first one each needs a witness", [unseen, closed, unseen], false],
    ["the broker was restarted meanwhile, or the road ends connections", [unseen, closed, fallen], false],
    ["and after that it begins anew", [closed, closed, fallen, closed, closed], false],
    ["one of them lasted", [closed, closed, { ...closed, lastedMs: 30_000 }, closed], false],
    ["the session was a new one", [closed, { ...closed, sessionPresent: false }, closed, closed], false],
    ["one ended otherwise", [closed, closed, { ...closed, how: "other" }, closed], false],
    [
      "the broker says it, session or not",
      [takenOver, { ...takenOver, sessionPresent: false }, takenOver],
      true,
    ],
    [
      "the rival waits for a minute before it comes again",
      [closed, closed, closed, { ...closed, lastedMs: 60_000 }],
      true,
    ],
    ["and the witness fell long before", [closed, closed, closed, { ...unseen, lastedMs: 60_000 }], true],
    ["once it was on, the road ended both", [closed, closed, closed, fallen], false],
    ["nobody came for long", [closed, closed, closed, { ...closed, lastedMs: calmMs }], false],
  ];
  for (const [name, endings, isOn] of table) test(name, () => assert.equal(after(...endings).isOn, isOn));

  test("it is over when a connection lasts", () => {
    const contest = after(closed, closed, closed);
    contest.over();
    assert.equal(contest.isOn, false);
  });

  test("from the second short connection on a witness is needed", () => {
    assert.equal(after().isSuspected, false);
    assert.equal(after(unseen).isSuspected, true);
    assert.equal(after({ ...unseen, lastedMs: 30_000 }).isSuspected, false);
    assert.equal(after(unseen, fallen).isSuspected, false);
  });

  test("only what the other side has closed without a word is an end of that kind", () => {
    assert.equal(howEnded(lostFault("mqtt://b"), false), "closed");
    assert.equal(howEnded(lostFault("mqtt://b"), true), "other", "it was us: nothing came any more");
    assert.equal(howEnded(reasonFault(142, "mqtt://b"), false), "taken over");
    assert.equal(howEnded(reasonFault(151, "mqtt://b"), false), "other");
  });
});

describe("a connection beside ours, on which nothing is sent", () => {
  const never = new AbortController().signal;

  async function serve(t: TestContext, accept: (socket: Socket) => void): Promise<string> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      accept(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    return `mqtt://127.0.0.1:${address.port}`;
  }

  function beside(url: string, signal: AbortSignal): Witness {
    const witness = Witness.beside({ url, tls: { verify: true } }, signal);
    assert.ok(witness !== undefined);
    return witness;
  }

  async function evidenceOf(url: string): Promise<string> {
    const witness = beside(url, never);
    const evidence = await witness.evidence(never);
    witness.close();
    return evidence;
  }

  test("stands where the server waits for us to speak", async (t) => {
    assert.equal(await evidenceOf(await serve(t, () => undefined)), "stood");
  });

  test("does not stand where the broker is behind TLS that is not there", async (t) => {
    const url = await serve(t, () => undefined);
    assert.equal(await evidenceOf(url.replace("mqtt:", "mqtts:")), "fell");
    const tls = { verify: true, caFile: "/nonexistent" };
    assert.equal(Witness.beside({ url: "mqtts://127.0.0.1", tls }, never), undefined);
  });

  test("falls with a server that ends or resets what it has accepted, or is not there", async (t) => {
    assert.equal(await evidenceOf(await serve(t, (socket) => socket.end())), "fell");
    assert.equal(await evidenceOf(await serve(t, (socket) => socket.resetAndDestroy())), "fell");
    assert.equal(await evidenceOf(`mqtt://127.0.0.1:${await freePort()}`), "fell");
  });

  test("says nothing when it fell long before ours, and nothing in a stop", async (t) => {
    const witness = beside(await serve(t, (socket) => socket.end()), never);
    const startMs = performance.now();
    await witness.evidence(never);
    t.mock.method(performance, "now", () => startMs + 60_000);
    assert.equal(await witness.evidence(never), "none");
    t.mock.restoreAll();
    const stopped = beside(await serve(t, () => undefined), AbortSignal.abort());
    const askedMs = performance.now();
    assert.equal(await stopped.evidence(AbortSignal.abort()), "none");
    assert.ok(performance.now() - askedMs < 400);
    stopped.close();
  });

  test("ends with the signal, and with close, and leaves nothing behind", async (t) => {
    const accepted: Socket[] = [];
    const url = await serve(t, (socket) => accepted.push(socket.resume()));
    const stop = new AbortController();
    const [one] = [beside(url, stop.signal), beside(url, stop.signal)];
    await waitFor(() => accepted.length === 2, { what: "both" });
    one?.close();
    await waitFor(() => accepted.some(({ closed: isClosed }) => isClosed), { what: "the end of one" });
    assert.equal(getEventListeners(stop.signal, "abort").length, 1);
    stop.abort();
    await waitFor(() => accepted.every(({ closed: isClosed }) => isClosed), { what: "the end of both" });
    assert.deepEqual(getEventListeners(stop.signal, "abort"), []);
  });
});
