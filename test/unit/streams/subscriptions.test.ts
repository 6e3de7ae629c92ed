import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import type { StreamAnswer, StreamsPort, Subscription, WholeAnswer } from "../../../src/streams/port.ts";
import { defaultStreamsSettings } from "../../../src/streams/settings.ts";
import { Subscriptions } from "../../../src/streams/subscriptions.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const end = { rows: 0, batches: 0, keepAlives: 0, bytes: 0, trailers: {}, elapsedMs: 1, attempts: 1 };

interface Bench {
  readonly time: VirtualTime;
  readonly log: RecordingLog;
  readonly subscriptions: Subscriptions;
  /** When queries began: ms after the start. */
  readonly asked: number[];
  /** What the next queries do; by default they are answered at once. */
  answer: () => Promise<void>;
  /** Queries do not hear of an abort. */
  isDeaf: boolean;
  readonly answers: WholeAnswer[];
  readonly faults: Fault[];
  readonly done: Promise<void>;
  readonly subscribe: (onAnswer?: (answer: WholeAnswer) => void) => Subscription;
  readonly stop: () => void;
}

function bench(t: TestContext): Bench {
  const time = VirtualTime.install(t);
  const startMs = time.uptimeMs();
  const log = new RecordingLog();
  const asked: number[] = [];
  const query: StreamsPort["query"] = (_request, signal): StreamAnswer => ({
    requestId: "r",
    columns: async () => await Promise.resolve([]),
    ended: Promise.resolve(end),
    collect: async () => {
      asked.push(Math.round(time.uptimeMs() - startMs));
      await (made.isDeaf ? made.answer() : Promise.race([made.answer(), aborted(signal)]));
      return [];
    },
    [Symbol.asyncIterator]: () => assert.fail("a subscription collects"),
  });
  const { retry } = defaultStreamsSettings;
  const subscriptions = new Subscriptions({ clock: time, log, random: () => 0.5, retry, query });
  const stopping = new AbortController();
  const made: Bench = {
    time,
    log,
    subscriptions,
    asked,
    answer: async () => await Promise.resolve(),
    isDeaf: false,
    answers: [],
    faults: [],
    done: subscriptions.run(stopping.signal),
    subscribe: (onAnswer = (answer) => made.answers.push(answer)) =>
      subscriptions.add(
        { text: "SELECT 1" },
        { name: "rule", everyMs: 10_000, onAnswer, onFault: (fault) => made.faults.push(fault) },
      ),
    stop: () => {
      stopping.abort();
    },
  };
  return made;
}

async function aborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error));
  });
}

async function fail(): Promise<void> {
  const options = { code: "flight_bad_query", layer: "flight", disposition: "drop", message: "no" } as const;
  return await Promise.reject(new Fault(options));
}

test("it is asked at a random moment of its first period, and once in each period from there", async (t) => {
  const { time, subscribe, asked, answers, stop, done } = bench(t);
  subscribe();
  await time.advance(36_000);
  assert.deepEqual(asked, [5000, 15_000, 25_000, 35_000]);
  assert.deepEqual([answers.length, answers[0]], [4, { columns: [], rows: [], end }]);
  stop();
  await done;
});

test("runs never overlap, and those that were missed are left out", async (t) => {
  const made = bench(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  made.answer = async () => await promise;
  made.subscribe();
  await made.time.advance(34_000);
  assert.deepEqual(made.asked, [5000]);
  assert.equal(made.subscriptions.status[0]?.state, "asking");
  made.answer = async () => await Promise.resolve();
  resolve();
  await made.time.advance(12_000);
  assert.deepEqual(made.asked, [5000, 34_000, 35_000, 45_000]);
  made.stop();
  await made.done;
});

test("after a fault it is asked again with backoff, parked after several, and an answer clears that", async (t) => {
  const made = bench(t);
  made.answer = fail;
  made.subscribe();
  await made.time.advance(40_000);
  // Half of 1, 2, 4, 8 and 16 s; the sixth fault parks for a minute.
  assert.deepEqual(made.asked, [5000, 5500, 6500, 8500, 12_500, 20_500]);
  const [status] = made.subscriptions.status;
  assert.deepEqual(
    [status?.state, status?.faults, status?.lastFault?.code, made.faults.length],
    ["parked", 6, "flight_bad_query", 6],
  );
  assert.equal(made.log.lines.filter(({ level }) => level === "warn").length, 1);
  await made.time.advance(41_000);
  assert.deepEqual(made.asked.slice(6), [80_500]);
  assert.equal(made.subscriptions.status[0]?.state, "parked");
  made.answer = async () => await Promise.resolve();
  await made.time.advance(121_000);
  assert.deepEqual(made.asked.slice(7), [200_500]);
  const [well] = made.subscriptions.status;
  assert.deepEqual([well?.state, well?.answers, well?.lastFault], ["waiting", 1, undefined]);
  made.stop();
  await made.done;
});

test("a retry is beside the regular runs and replaces none of them", async (t) => {
  const made = bench(t);
  made.answer = fail;
  made.subscribe();
  await made.time.advance(7000);
  made.answer = async () => await Promise.resolve();
  await made.time.advance(39_000);
  assert.deepEqual(made.asked, [5000, 5500, 6500, 8500, 15_000, 25_000, 35_000, 45_000]);
  // The answers have cleared the record: the backoff begins anew.
  made.answer = fail;
  await made.time.advance(11_000);
  assert.deepEqual(made.asked.slice(8), [55_000, 55_500, 56_500]);
  made.stop();
  await made.done;
});

test("whatever a run ends with after it was told to end is no fault", async (t) => {
  const made = bench(t);
  const { promise, reject } = Promise.withResolvers<void>();
  const answers = [async () => await promise.catch(() => undefined), async () => await promise];
  made.answer = async () => await (answers.shift() ?? fail)();
  made.subscribe();
  made.subscribe();
  made.isDeaf = true;
  await made.time.advance(5100);
  assert.equal(made.asked.length, 2);
  made.stop();
  reject(new Error("the process was cut off"));
  await made.done;
  assert.deepEqual([made.faults, made.answers, made.log.lines], [[], [], []]);
  assert.deepEqual(
    made.subscriptions.status.map(({ state, faults }) => [state, faults]),
    [
      ["waiting", 0],
      ["waiting", 0],
    ],
  );
});

test("a listener that throws is a bug of that subscription, and another goes on", async (t) => {
  const { time, subscribe, subscriptions, faults, answers, log, stop, done } = bench(t);
  subscribe(() => {
    throw new TypeError("x is undefined");
  });
  subscribe();
  await time.advance(5100);
  assert.deepEqual(
    [answers.length, faults.map(({ code }) => code), log.codes],
    [1, ["part_failed"], ["part_failed"]],
  );
  assert.deepEqual(
    subscriptions.status.map((status) => [status.answers, status.faults]),
    [
      [0, 1],
      [1, 0],
    ],
  );
  stop();
  await done;
});

test("closing one and stopping all end what is under way, which is no fault, and leave no timer", async (t) => {
  const made = bench(t);
  made.answer = async () => await new Promise(() => undefined);
  const subscription = made.subscribe();
  made.subscribe();
  await made.time.advance(5100);
  assert.equal(made.asked.length, 2);
  subscription.close();
  await made.time.advance(100);
  assert.deepEqual(
    made.subscriptions.status.map(({ state }) => state),
    ["asking"],
  );
  made.stop();
  await made.done;
  assert.deepEqual(
    made.subscriptions.status.map(({ state, faults }) => [state, faults]),
    [["waiting", 0]],
  );
  const fired = made.time.timersFired;
  await made.time.advance(100_000);
  assert.deepEqual([made.faults, made.asked.length, made.time.timersFired], [[], 2, fired]);
});
