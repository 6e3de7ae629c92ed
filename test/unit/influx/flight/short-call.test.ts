/** Calls with one answer, and commands on their way to one, over a channel that plays what it is told. */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import type { Exchange, FlightCall, ServerCall } from "../../../../src/influx/flight/call.ts";
import type { CallOptions, FlightChannel } from "../../../../src/influx/flight/channel.ts";
import { flightSql } from "../../../../src/influx/flight/flight-sql.ts";
import { InfoCall } from "../../../../src/influx/flight/info-call.ts";
import type { ReadingDeps } from "../../../../src/influx/flight/reading.ts";
import { shortCall } from "../../../../src/influx/flight/short-call.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import { ActionCreatePreparedStatementResultSchema } from "../../../../src/proto/flight/flight_sql_pb.js";
import { here, infoBytes, resultBytes } from "../../../support/flight-sql-stage.ts";
import { faultOf, isFault, messages } from "./fixture.ts";

interface Asked {
  readonly method: string;
  readonly options: CallOptions;
}

/** The bytes of the one message of an answer; undefined: none. */
type Answer = (asked: Asked) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/** `onOver`: the answer to a command has ended, and nobody has heard of it yet. */
function playing(
  answer: Answer,
  { doGet, onOver }: { readonly doGet?: () => FlightCall; readonly onOver?: () => void } = {},
): FlightChannel & { readonly asked: readonly Asked[] } {
  const asked: Asked[] = [];
  return {
    asked,
    call<M>({ method, decode }: Exchange<M>, options: CallOptions): ServerCall<M> {
      const call = { method, options };
      asked.push(call);
      let pulls = 0;
      return {
        next: async () => {
          pulls += 1;
          if (pulls > 1) onOver?.();
          const bytes = pulls === 1 ? await answer(call) : undefined;
          return bytes && decode(bytes);
        },
        cancel: () => {},
        trailers: {},
      };
    },
    doGet: (_ticket, options) => {
      asked.push({ method: "DoGet", options });
      return doGet?.() ?? assert.fail("nothing is to be fetched");
    },
    close: () => {},
  };
}

function depsOn(channel: FlightChannel): ReadingDeps {
  return { channel: () => channel, random: () => 0, underWay: new Set() };
}

const exchange: Exchange<number> = {
  method: "DoAction",
  requests: [new Uint8Array(1)],
  decode: ({ length }) => length,
};
const request = { requestId: "r-1", database: "farm", timeoutMs: 5000 };
const untilAborted = async (): Promise<never> => await new Promise(() => {});

describe("a short call", () => {
  test("leaves nothing with its signal and its client, however it ends", async () => {
    const stop = new AbortController();
    const { signal } = stop;
    const refused = faultOf("flight_query_refused", "drop");
    const ends: readonly [Answer, (ended: Promise<unknown>) => Promise<void>][] = [
      [() => new Uint8Array(7), async (ended) => assert.equal(await ended, 7)],
      [async () => await Promise.reject(refused), async (ended) => await assert.rejects(ended, Fault)],
      [
        untilAborted,
        async (ended) => {
          stop.abort(new Error("enough"));
          await assert.rejects(ended, /enough/);
        },
      ],
    ];
    for (const [answer, check] of ends) {
      const deps = depsOn(playing(answer));
      const ended = shortCall(exchange, { ...request, signal }, deps);
      assert.deepEqual([deps.underWay.size, getEventListeners(signal, "abort").length], [1, 1]);
      await check(ended);
      assert.deepEqual([deps.underWay.size, getEventListeners(signal, "abort").length], [0, 0]);
    }
  });

  test("that is late after another fault says that one too", async () => {
    const away = faultOf("flight_unavailable", "retry");
    const late = faultOf("flight_timeout", "retry");
    const channel = playing(async ({ options }) => {
      if (channel.asked.length === 1) throw away;
      await sleep(options.deadlineMs - performance.now() + 1);
      throw late;
    });
    await assert.rejects(shortCall(exchange, { ...request, timeoutMs: 30 }, depsOn(channel)), (fault) => {
      assert.ok(fault instanceof Fault);
      assert.match(fault.message, /gave no answer within 0\.03 s.*\(request r-1, 2 attempts\)$/);
      return fault.cause === away;
    });
  });

  test("that closes a statement is made once, and takes five seconds at most", async () => {
    const made = create(ActionCreatePreparedStatementResultSchema, {});
    const created = toBinary(AnySchema, anyPack(ActionCreatePreparedStatementResultSchema, made));
    const channel = playing(() => {
      if (channel.asked.length === 1) return resultBytes(created);
      throw faultOf("flight_unavailable", "retry");
    });
    const complete = <O extends object>(options: O): typeof request & O => ({
      ...request,
      timeoutMs: 60_000,
      ...options,
    });
    const deps = { ownUrl: "http://127.0.0.1:1", complete, streamDeps: depsOn(channel) };
    const statement = await flightSql(deps).prepare("SELECT 1");
    await statement.close();
    const [, closing, ...more] = channel.asked;
    assert.equal(more.length, 0);
    const leftMs = (closing?.options.deadlineMs ?? Infinity) - performance.now();
    assert.ok(leftMs > 0 && leftMs <= 5000, `${leftMs} ms`);
  });
});

describe("an answer that is given up", () => {
  const options = { requestId: "r-1", database: "farm", deadlineMs: Infinity };
  const command = new Uint8Array(1);
  const ownUrl = "http://127.0.0.1:1";

  test("when its place is known already is not fetched", async () => {
    const channel = playing(() => infoBytes(here("a")), { onOver: () => call.cancel() });
    const call = new InfoCall({ command, channel, options, ownUrl });
    await assert.rejects(call.next(), isFault("flight_cancelled"));
    assert.deepEqual(
      channel.asked.map(({ method }) => method),
      ["GetFlightInfo"],
    );
  });

  test("between two parts of it is fetched no further", async () => {
    const channel = playing(() => infoBytes(here("a", "b")), {
      doGet: () => {
        const left = messages(3);
        return {
          next: async () => {
            if (left.length === 0) call.cancel();
            return left.shift();
          },
          cancel: () => {},
          trailers: {},
        };
      },
    });
    const call = new InfoCall({ command, channel, options, ownUrl });
    assert.ok(await call.next());
    assert.ok(await call.next());
    await assert.rejects(call.next(), isFault("flight_cancelled"));
    assert.equal(channel.asked.filter(({ method }) => method === "DoGet").length, 1);
  });
});
