/**
 * Writes a journal as a daemon leaves it behind that could write nothing: with the production Journal, the rows of the
 * stream's uplinks, committed in groups. What takes the broker minutes takes this one minute.
 */
import mqttPacket from "mqtt-packet";
import { setImmediate as turn } from "node:timers/promises";
import { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { readBootId } from "../../../src/systemd/boot-id.ts";
import type { BacklogFillSettings } from "./backlog-fill.ts";
import { helperSettings, report } from "./child.ts";
import { UplinkStream } from "./uplinks.ts";

/** As large as the daemon's under load, near enough. */
const groupCount = 500;

const { dir, first, count, source, maxSizeBytes } = helperSettings() as BacklogFillSettings;
const stream = new UplinkStream(Date.now());
let payloadBytes = 0;

const parser = mqttPacket.parser({ protocolVersion: 4 });
let group: IncomingMessage[] = [];
parser.on("packet", (packet) => {
  if (packet.cmd !== "publish") throw new Error(`the stream has a packet ${packet.cmd}`);
  const payload = Buffer.from(packet.payload);
  payloadBytes += payload.length;
  group.push({
    source,
    topic: packet.topic,
    payload,
    receivedMs: systemClock.nowMs(),
    uptimeMs: systemClock.uptimeMs(),
    clockTrusted: true,
    duplicate: false,
    retained: false,
    qos: 1,
  });
});

report({});
await turn();
const journal = Journal.open(
  { dir, commitIntervalMs: 250, maxSizeBytes, keepSettledMs: 259_200_000, whenFull: "stop_acking" },
  systemClock,
  readBootId(),
);
for (let done = 0; done < count; done += group.length) {
  group = [];
  for (const packet of stream.packets(first + done, Math.min(groupCount, count - done))) parser.parse(packet);
  journal.commit(group);
  journal.checkpointWhenDue();
  // The end of the benchmark is heard of between two groups.
  await turn();
}
journal.close();
report({ meanPayloadBytes: payloadBytes / count });
