/** Requests when their process dies: who is suspected, who is refused, who waits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorText } from "../../../src/lib/fault.ts";
import { Answer } from "../../../src/streams/answer.ts";
import { unavailableFault } from "../../../src/streams/faults.ts";
import { defaultStreamsSettings } from "../../../src/streams/settings.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { death, end, plainFault, requestsBench } from "../../support/requests-bench.ts";

test("what was under way at a death runs alone, so that only the one that kills is refused", async (t) => {
  const { requests, ask, attach, asked, idOf } = requestsBench(t);
  attach();
  const first = ["a", "b", "killer"].map(async (text) => await ask(text));
  requests.detach(death);
  assert.deepEqual(await Promise.all(first), ["streams_died", "streams_died", "streams_died"]);
  const answered = ["a", "b"].map(async (text) => await ask(text));
  const killer = ask("killer");
  attach();
  for (const text of ["a", "b"]) {
    assert.equal(asked().at(-1), text);
    requests.received({ kind: "end", id: idOf(text), end }, 100);
  }
  assert.deepEqual(
    [await Promise.all(answered), asked()],
    [
      [[], []],
      ["a", "b", "killer"],
    ],
  );
  requests.detach(death);
  assert.equal(await killer, "streams_died");
  const again = ask("killer");
  attach();
  assert.deepEqual(asked(), ["killer"]);
  requests.detach(death);
  assert.equal(await again, "streams_died");
  attach();
  assert.equal(await ask("killer"), "streams_request_parked");
  assert.deepEqual(asked(), []);
});

test("an innocent text that was beside another one at a death is not refused after the next one's", async (t) => {
  const { requests, ask, attach, asked, idOf } = requestsBench(t);
  attach();
  const first = [ask("a"), ask("killer 1")];
  requests.detach(death);
  await Promise.all(first);
  attach();
  const [innocent, killer] = [ask("a"), ask("killer 2")];
  assert.deepEqual(asked(), ["a"]);
  requests.received({ kind: "end", id: idOf("a"), end }, 100);
  const beside = ask("a");
  assert.deepEqual([await innocent, asked()], [[], ["a", "killer 2", "a"]]);
  requests.detach(death);
  assert.deepEqual(await Promise.all([killer, beside]), ["streams_died", "streams_died"]);
  attach();
  const last = ask("a");
  requests.received({ kind: "end", id: idOf("a"), end }, 100);
  assert.deepEqual(await last, []);
});

test("a suspect waits until it is alone, those behind it wait for it, and each that ran out of time hears why", async (t) => {
  const { requests, time, ask, attach, asked, idOf } = requestsBench(t);
  attach();
  const first = [ask("a"), ask("b")];
  requests.detach(death);
  await Promise.all(first);
  attach();
  const long = ask("long");
  const suspect = ask("a");
  const behind = ask("behind", 1000);
  assert.deepEqual(asked(), ["long"]);
  requests.received({ kind: "end", id: idOf("long"), end }, 100);
  assert.deepEqual([await long, asked()], [[], ["long", "a"]]);
  const said = await time.advance(1000).then(async () => await behind);
  assert.equal(said, "streams_busy");
  requests.received({ kind: "fault", id: idOf("a"), fault: plainFault, isFatal: false }, 100);
  assert.equal(await suspect, plainFault.code);
  // It failed, and the process lives: it is no suspect any more.
  void ask("a");
  void ask("beside");
  assert.deepEqual(asked(), ["long", "a", "a", "beside"]);
  requests.detach(undefined);
});

test("a suspicion ends after its time without a death", async (t) => {
  const { requests, time, ask, attach, asked } = requestsBench(t);
  attach();
  const first = [ask("a"), ask("b")];
  requests.detach(death);
  await Promise.all(first);
  await time.advance(defaultStreamsSettings.suspicion.windowMs);
  attach();
  const second = [ask("a"), ask("b")];
  assert.deepEqual(asked(), ["a", "b"]);
  requests.detach(undefined);
  await Promise.all(second);
});

test("a query that was parked while it waited is not asked", async (t) => {
  const { requests, ask, attach, asked } = requestsBench(t, {
    settings: { ...defaultStreamsSettings, maxUnderWay: 1 },
  });
  attach();
  const first = ask("killer");
  const second = ask("killer");
  const third = ask("killer");
  requests.detach(death);
  attach();
  requests.detach(death);
  assert.deepEqual(await Promise.all([first, second]), ["streams_died", "streams_died"]);
  attach();
  assert.deepEqual([await third, asked()], ["streams_request_parked", []]);
});

test("a death names what was under way in the log: short, on one line and without secrets", async (t) => {
  const log = new RecordingLog();
  const redact = (text: string): string => text.replaceAll("abc", "[secret]");
  const { requests, ask, attach, idOf } = requestsBench(t, { log, redact });
  attach();
  const long = `${"x".repeat(195)}abc\n\u001b[31m${"y".repeat(1000)}`;
  const all = [ask(long), ask("killer")];
  requests.received({ kind: "fault", id: idOf("killer"), fault: plainFault, isFatal: true }, 100);
  requests.detach(death);
  await Promise.all(all);
  const said = log.lines.map(({ level, details: { code, query, named_by_it: named } }) => [
    level,
    code,
    query,
    named,
  ]);
  assert.deepEqual(said, [
    ["warn", "streams_died", "killer", true],
    ["warn", "streams_died", `${"x".repeat(195)}[secr…`, false],
  ]);
  assert.ok(log.lines.every(({ details }) => String(details["request"]).length === 36));
});

test("where the process says of what it dies, nobody else is suspected", async (t) => {
  const { requests, ask, attach, idOf, asked } = requestsBench(t);
  attach();
  const both = [ask("killer"), ask("beside")];
  requests.received({ kind: "fault", id: idOf("killer"), fault: plainFault, isFatal: true }, 100);
  requests.detach(death);
  assert.deepEqual(await Promise.all(both), ["streams_request_failed", "streams_died"]);
  attach();
  void ask("beside");
  void ask("beside");
  void ask("killer");
  assert.deepEqual(asked(), ["beside", "beside"]);
  requests.detach(undefined);
});

test("a process that has said of what it dies is sent nothing more: queries wait for the next one", async (t) => {
  const { requests, ask, attach, asked, idOf } = requestsBench(t);
  attach();
  const killer = ask("killer");
  requests.received({ kind: "fault", id: idOf("killer"), fault: plainFault, isFatal: true }, 100);
  assert.equal(await killer, plainFault.code);
  const next = ask("next");
  assert.deepEqual(asked(), ["killer"]);
  requests.detach(death);
  attach();
  assert.deepEqual(asked(), ["next"]);
  requests.received({ kind: "end", id: idOf("next"), end }, 100);
  assert.deepEqual(await next, []);
});

test("a query whose time is over while it waits hears what it has waited for", async (t) => {
  const { requests, time, ask, attach } = requestsBench(t, {
    settings: { ...defaultStreamsSettings, maxUnderWay: 2 },
  });
  const waitsInVain = async (): Promise<unknown> => {
    const late = new Answer(requests, { text: "late", timeoutMs: 1000 }, undefined).collect();
    const message = late.then(
      () => "it was answered",
      (error: unknown) => errorText(error),
    );
    await time.advance(1000);
    return await message;
  };
  attach();
  const first = [ask("a"), ask("b")];
  assert.equal(await waitsInVain(), "too many queries at once: 2 are under way and 1 wait");
  requests.detach(death);
  const second = ask("a");
  attach();
  assert.equal(
    await waitsInVain(),
    "the query did not begin within its 1000 ms: one during which the streams process died runs beside nothing else",
  );
  requests.detach(death);
  assert.equal(
    await waitsInVain(),
    unavailableFault("it did not start within the 1000 ms of the query").message,
  );
  await Promise.all([...first, second]);
});

test("what a process said of what it dies of holds for that process only", async (t) => {
  const { requests, ask, attach, idOf } = requestsBench(t);
  attach();
  const killer = ask("killer");
  requests.received({ kind: "fault", id: idOf("killer"), fault: plainFault, isFatal: true }, 100);
  requests.detach(death);
  await killer;
  for (let n = 0; n < 2; n += 1) {
    attach();
    const other = ask("other");
    requests.detach(death);
    assert.equal(await other, "streams_died");
  }
  assert.deepEqual(
    requests.status.parkedRequests.map(({ text }) => text),
    ["other"],
  );
});
