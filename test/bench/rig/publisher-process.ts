/**
 * Publishes the stream of uplinks at QoS 1 over a plain socket: whole packets, made beforehand, and PUBACKs
 * that are only counted. As fast as it is allowed to, or at a rate.
 */
import mqttPacket from "mqtt-packet";
import { once } from "node:events";
import { connect } from "node:net";
import { helperSettings, report } from "./child.ts";
import { monotonicMs } from "./figures.ts";
import type { PublisherOrder } from "./publisher.ts";
import { UplinkStream } from "./uplinks.ts";

/** CONNACK and PUBACK of MQTT 3.1.1 have four bytes each. */
const answerBytes = 4;
const connackType = 0x20;
const pubackType = 0x40;

const { port } = helperSettings() as { readonly port: number };
const stream = new UplinkStream(Date.now());
const socket = connect(port, "127.0.0.1");
socket.setNoDelay(true);
let published = 0;
let acknowledged = 0;
/** What was asked for until now. */
let target = 0;
let answersSeen = 0;

socket.on("data", (chunk) => {
  for (const byte of starts(chunk)) {
    if (byte !== (answersSeen === 0 ? connackType : pubackType)) throw new Error(`an answer of type ${byte}`);
    if (answersSeen > 0) acknowledged += 1;
    answersSeen += 1;
  }
  if (acknowledged === target) report({ acknowledged });
});
socket.on("close", () => {
  throw new Error("the broker has closed the publisher's connection");
});

let pending = 0;
/** The first bytes of the answers that end in this chunk or later. */
function* starts(chunk: Buffer): Generator<number> {
  for (let index = (answerBytes - pending) % answerBytes; index < chunk.length; index += answerBytes) {
    yield chunk[index] ?? 0;
  }
  pending = (pending + chunk.length) % answerBytes;
}

function publishUpTo(total: number): void {
  if (total <= published) return;
  socket.write(Buffer.concat(stream.packets(published, total - published)));
  published = total;
}

function publishAtRate(perSecond: number, count: number): void {
  const first = published;
  const startMs = monotonicMs();
  target = first + count;
  const tick = (): void => {
    const due = 1 + Math.floor(((monotonicMs() - startMs) * perSecond) / 1000);
    publishUpTo(Math.min(target, first + due));
    if (published < target)
      setTimeout(tick, Math.max(1, startMs + (1000 * (published - first)) / perSecond - monotonicMs()));
  };
  tick();
}

process.on("message", (order: PublisherOrder) => {
  if ("upTo" in order) {
    target = Math.max(target, order.upTo);
    publishUpTo(order.upTo);
  } else publishAtRate(order.perSecond, order.count);
});

await once(socket, "connect");
socket.write(
  mqttPacket.generate({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 4,
    clientId: "publisher",
    clean: true,
    keepalive: 0,
  }),
);
report({ acknowledged, meanPayloadBytes: stream.meanPayloadBytes });
