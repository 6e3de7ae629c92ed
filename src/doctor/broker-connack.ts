/** What a broker says of itself when it lets somebody in, against what the daemon needs. Pure. */
import type { IConnackPacket } from "mqtt";
import type { Fault } from "../lib/fault.ts";
import { formatBytes } from "../lib/units.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { ProtocolVersion } from "../mqtt/connect-options.ts";
import { filterUnavailable, maximumQos, noRetain, noSessions, sessionShortened } from "./broker-faults.ts";
import { shownSpan, type Figures, type Lines } from "./lines.ts";

/** An uplink that many gateways have heard, with a decoded payload, has some 10 KiB. */
const largeEventBytes = 64 * 1024;

export type ConnackProperties = NonNullable<IConnackPacket["properties"]>;

export function tellConnack(
  config: MqttConfig,
  version: ProtocolVersion,
  properties: ConnackProperties,
  lines: Lines,
): void {
  const troubles = version === 5 ? troublesIn(config, properties) : [];
  for (const [fault, severity] of troubles) lines.fault("protocol", fault, severity);
  const { maximumPacketSize: maxBytes } = properties;
  if (maxBytes !== undefined && maxBytes < largeEventBytes) {
    lines.warning(
      "protocol",
      `the broker takes packets of up to ${formatBytes(maxBytes)}: larger events never get into it`,
      "raise the broker's maximum packet size (mosquitto: max_packet_size)",
      { maxPacketBytes: maxBytes },
    );
  } else if (troubles.length === 0) tellFine(config, version, properties, lines);
  tellWindow(config, version, properties, lines);
}

type Trouble = readonly [Fault, "failure" | "warning"];

function troublesIn(config: MqttConfig, properties: ConnackProperties): Trouble[] {
  const troubles: Trouble[] = [];
  if ((properties.maximumQoS ?? 2) < 1) troubles.push([maximumQos(), "failure"]);
  const keptMs = keptSessionMs(config, properties);
  if (keptMs <= 0) troubles.push([noSessions(), "failure"]);
  // MQTT counts whole seconds.
  else if (keptMs < config.sessionExpiryMs - 1000)
    troubles.push([sessionShortened(keptMs, config), "warning"]);
  const shared = config.topics.filter((filter) => filter.startsWith("$share/"));
  if (properties.sharedSubscriptionAvailable === false && shared.length > 0)
    troubles.push([filterUnavailable("shared subscriptions", shared), "failure"]);
  const wild = config.topics.filter((filter) => /[#+]/.test(filter));
  if (properties.wildcardSubscriptionAvailable === false && wild.length > 0)
    troubles.push([filterUnavailable("wildcards", wild), "failure"]);
  if (properties.retainAvailable === false && config.stateTopic !== "")
    troubles.push([noRetain(config), "failure"]);
  return troubles;
}

/** A broker is silent about the expiry when it grants what was asked for. */
function keptSessionMs(
  { sessionExpiryMs }: MqttConfig,
  { sessionExpiryInterval }: ConnackProperties,
): number {
  return sessionExpiryInterval === undefined ? sessionExpiryMs : sessionExpiryInterval * 1000;
}

function tellFine(
  config: MqttConfig,
  version: ProtocolVersion,
  properties: ConnackProperties,
  lines: Lines,
): void {
  if (version === 4) {
    const why = config.protocol === "3.1.1" ? "as configured" : "the broker does not speak 5";
    lines.ok("protocol", `MQTT 3.1.1 (${why}): its limits are not told`, { mqtt: "3.1.1" });
    return;
  }
  const kept = shownSpan(keptSessionMs(config, properties));
  const keepaliveMs = (properties.serverKeepAlive ?? Math.round(config.keepaliveMs / 1000)) * 1000;
  const whose = properties.serverKeepAlive === undefined ? "" : ", as the broker wants it";
  const figures: Figures = {
    mqtt: "5",
    sessionExpiryMs: keptSessionMs(config, properties),
    keepaliveMs,
    ...(properties.maximumPacketSize === undefined ? {} : { maxPacketBytes: properties.maximumPacketSize }),
  };
  const text = `MQTT 5, a session of ${kept}, keep-alive ${shownSpan(keepaliveMs)}${whose}`;
  lines.ok("protocol", text, figures);
}

function tellWindow(
  { receiveMaximum }: MqttConfig,
  version: ProtocolVersion,
  { receiveMaximum: theirs }: ConnackProperties,
  lines: Lines,
): void {
  if (version === 4) {
    lines.ok(
      "receive_maximum",
      "MQTT 3.1.1 has none: the broker's own window applies (mosquitto: max_inflight_messages, 20 unless set)",
    );
    return;
  }
  lines.ok(
    "receive_maximum",
    `the daemon asks for up to ${receiveMaximum} unacknowledged messages at a time`,
    {
      receiveMaximum,
      ...(theirs === undefined ? {} : { receiveMaximumOfBroker: theirs }),
    },
  );
}
