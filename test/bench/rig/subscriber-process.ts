/**
 * What the daemon is compared with: mqtt.js, subscribed to the same stream with the same receive maximum.
 * Mode "nothing" counts messages and lets the library acknowledge them: no program on this library can be
 * faster. Mode "commit" commits each message to a journal (FULL) before it lets the library acknowledge it:
 * the plain way to keep the promise, without groups.
 */
import { connect } from "mqtt";
import type { IPublishPacket } from "mqtt";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as JournalModule from "../../../src/journal/journal.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { helperSettings, report } from "./child.ts";
import { distFolder } from "./folders.ts";
import type { SubscriberSettings } from "./subscriber.ts";
import { topicFilter } from "./uplinks.ts";

const settings = helperSettings() as SubscriberSettings;
const reportEveryMs = 10;
let taken = 0;

const client = connect(settings.url, {
  protocolVersion: 5,
  clientId: settings.name,
  clean: true,
  properties: { receiveMaximum: 1000 },
});

if (settings.mode === "commit") {
  const file = pathToFileURL(join(distFolder, "journal/journal.js")).href;
  const { Journal } = (await import(file)) as typeof JournalModule;
  const config = {
    dir: settings.folder,
    commitIntervalMs: 0,
    maxSizeBytes: undefined,
    keepSettledMs: 0,
    whenFull: "stop_acking",
  } as const;
  const journal = Journal.open(config, systemClock, "bench");
  client.handleMessage = (packet, done) => {
    journal.commit([message(packet)]);
    journal.checkpointWhenDue();
    taken = journal.lastSeq;
    done();
  };
} else {
  client.on("message", () => {
    taken += 1;
  });
}

function message(packet: IPublishPacket): Parameters<JournalModule.Journal["commit"]>[0][number] {
  const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
  return {
    source: "bench",
    topic: packet.topic,
    payload,
    receivedMs: Date.now(),
    uptimeMs: systemClock.uptimeMs(),
    clockTrusted: true,
    duplicate: packet.dup,
    retained: packet.retain,
    qos: 1,
  };
}

let reported = 0;
setInterval(() => {
  if (taken === reported) return;
  reported = taken;
  report({ taken });
}, reportEveryMs);

client.once("connect", () => {
  client.subscribe(topicFilter, { qos: 1 });
  report({ taken });
});
