/** Whose a message is: what routes see of it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { LeftOutReport } from "../../../src/pipeline/left-out.ts";
import { prepare } from "../../../src/pipeline/prepare.ts";
import type { RouteFacts } from "../../../src/pipeline/route.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { MemorySchema } from "../../support/fakes/schema.ts";
import { temporaryFolder } from "../../support/wait.ts";

const folder = await temporaryFolder("prepare-routes");
const marker = new DecodeMarker(folder.path, "j");
marker.arm();
after(async () => {
  marker.close();
  await folder.remove();
});

test("a mesh relay's heartbeat goes by its source alone", () => {
  const asked: RouteFacts[] = [];
  const isMine = (facts: RouteFacts): boolean => {
    asked.push(facts);
    return facts.source === "north";
  };
  const deps = {
    decoded: new DecodedEvents(decode, marker),
    deduplicator: new Deduplicator(100, new Set(["north", "south"])),
    clock: { mayRelease: true },
    offsetMs: () => undefined,
    settings: { tags: [], deviceTags: [], profiles: [] },
    schema: new MemorySchema(),
    mayClaim: () => true,
    finishedRows: () => undefined,
    isAgain: () => false,
    destination: { name: "farm", isMine, isDefault: false },
    leftOut: new LeftOutReport(() => {}),
    counters: newCounters(),
  };
  const heartbeat = {
    gatewayId: "e4e124dadef64eee",
    time: "2025-12-31T00:00:00Z",
    relayId: "01020304",
    events: [{ heartbeat: { relayPath: [] } }],
  };
  const topic = "eu868/gateway/e4e124dadef64eee/event/mesh";
  const payload = Buffer.from(JSON.stringify(heartbeat));
  const log = new MemoryLog();
  const messages = ["south", "north"].map((source) => log.append({ topic, payload, source }));
  const { ready, done } = prepare(messages, deps);
  assert.deepEqual([ready.map(({ seq }) => seq), done], [[2], []]);
  const nothing = { tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
  assert.deepEqual(asked, [
    { source: "south", ...nothing },
    { source: "north", ...nothing },
  ]);
});
