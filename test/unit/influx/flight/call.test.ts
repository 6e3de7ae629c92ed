/** What a call does to grpc-js, and what it takes from it: on a grpc-js that is in the test's hands. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, status, type Channel, type StatusObject } from "@grpc/grpc-js";
import { create, toBinary } from "@bufbuild/protobuf";
import { doGetExchange, RunningCall, type FlightMessage } from "../../../../src/influx/flight/call.ts";
import { FlightDataSchema } from "../../../../src/proto/flight/flight_pb.js";
import { faultOf, isFault, timers } from "./fixture.ts";

interface Listener {
  onReceiveMetadata(metadata: Metadata): void;
  onReceiveMessage(message: Uint8Array): void;
  onReceiveStatus(status: StatusObject): void;
}

interface Stage {
  readonly call: RunningCall<FlightMessage>;
  readonly listener: Listener;
  /** Messages that grpc-js was asked for. */
  readonly reads: number;
  readonly log: string[];
}

function start(): Stage {
  const log: string[] = [];
  let reads = 0;
  let listener: Listener | undefined;
  const grpc = {
    createCall: () => ({
      start: (_metadata: Metadata, given: Listener) => {
        listener = given;
      },
      sendMessageWithContext: () => {},
      halfClose: () => {},
      startRead: () => {
        reads += 1;
      },
      cancelWithStatus: () => {},
    }),
  } as unknown as Channel;
  const call = RunningCall.start(doGetExchange(Buffer.from("ticket")), {
    grpc,
    metadata: new Metadata(),
    deadlineMs: performance.now() + 60_000,
    isConnected: () => true,
    explain: ({ details }) => faultOf(`explained ${details}`, "retry"),
    onWait: () => log.push("waits"),
    onHeard: () => log.push("heard"),
    onEnd: () => log.push("ended"),
  });
  assert.ok(listener !== undefined);
  return {
    call,
    listener,
    log,
    get reads() {
      return reads;
    },
  };
}

const message = toBinary(FlightDataSchema, create(FlightDataSchema, { dataHeader: Buffer.from("schema") }));
const ok: StatusObject = { code: status.OK, details: "", metadata: new Metadata() };

test("one message is read ahead, and then one for each that is asked for", async () => {
  const on = start();
  assert.equal(on.reads, 1);
  const first = on.call.next();
  on.listener.onReceiveMetadata(new Metadata());
  assert.equal(on.reads, 1, "the one that was read ahead is not asked for twice");
  on.listener.onReceiveMessage(message);
  assert.equal((await first)?.bytes, 6);
  assert.equal(on.reads, 1);
  const second = on.call.next();
  assert.equal(on.reads, 2);
  on.listener.onReceiveMessage(message);
  await second;
  on.listener.onReceiveStatus(ok);
  assert.equal(await on.call.next(), undefined);
  assert.equal(on.reads, 2, "nothing is asked for after the end");
});

test("a call waits for the other side until the first message came, and then while one is asked for", async () => {
  const { call, listener, log } = start();
  assert.equal(call.isWaiting, true);
  listener.onReceiveMetadata(new Metadata());
  assert.equal(call.isWaiting, true);
  listener.onReceiveMessage(message);
  assert.equal(call.isWaiting, false, "its reader is slow");
  await call.next();
  assert.equal(call.isWaiting, false);
  const pull = call.next();
  assert.equal(call.isWaiting, true);
  listener.onReceiveMessage(message);
  await pull;
  assert.equal(call.isWaiting, false);
  listener.onReceiveStatus(ok);
  assert.deepEqual(log, ["waits", "heard", "heard", "waits", "heard", "heard", "ended"]);
});

test("after the end nothing is heard, and the end stays what it was", async () => {
  const { call, listener, log } = start();
  call.cancel();
  assert.equal(call.isWaiting, false);
  assert.deepEqual(log, ["waits", "ended"]);
  listener.onReceiveMetadata(new Metadata());
  listener.onReceiveMessage(message);
  listener.onReceiveMessage(Buffer.from([0x12, 0x7f, 1]));
  listener.onReceiveStatus({ ...ok, code: status.UNAVAILABLE });
  call.cancel();
  assert.deepEqual(log, ["waits", "ended"]);
  await assert.rejects(call.next(), isFault("flight_cancelled"));
});

test("a call that has ended owns no timer, however it ended", async () => {
  const before = timers();
  const ends: readonly ((on: Stage) => void)[] = [
    ({ call }) => call.cancel(),
    ({ listener }) => listener.onReceiveStatus(ok),
    ({ listener }) => listener.onReceiveStatus({ ...ok, code: status.UNAVAILABLE, details: "away" }),
    ({ listener }) => listener.onReceiveMessage(Buffer.from([0x12, 0x7f, 1])),
  ];
  for (const end of ends) {
    const on = start();
    assert.equal(timers(), before + 1);
    end(on);
    assert.equal(timers(), before);
  }
});
