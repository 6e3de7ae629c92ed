/** `[[mqtt]]`: one table for each broker, or for each certificate on one broker. */
import { z } from "zod";
import {
  complain,
  defined,
  durationMs,
  evenIfBroken,
  oneOf,
  secret,
  secretFile,
  table,
  text,
  url,
  wholeNumber,
} from "../lib/schema.ts";
import type { Secret } from "../lib/secret.ts";
import {
  checkProxy,
  checkTls,
  compileProxy,
  compileTls,
  proxyShape,
  type ProxyConfig,
  tlsShape,
  type TlsConfig,
} from "../net/config.ts";
import { urlHost } from "../net/url-host.ts";
import { commonTopics, isTopicFilter, isTopicText } from "./topic-filter.ts";

export interface MqttConfig {
  /** Unique among the sources; part of what the journal remembers. */
  readonly name: string;
  /** mqtt:// or mqtts://, without credentials or path. */
  readonly url: string;
  readonly topics: readonly string[];
  readonly username?: string;
  readonly password?: Secret;
  /** Absent: one is made once and stored. */
  readonly clientId?: string;
  readonly protocol: "auto" | "5" | "3.1.1";
  readonly receiveMaximum: number;
  readonly sessionExpiryMs: number;
  readonly keepaliveMs: number;
  /** From the first packet of TCP to CONNACK, a tunnel through the proxy included. */
  readonly connectTimeoutMs: number;
  /** Retained online state and last will; "" is off. */
  readonly stateTopic: string;
  readonly tls: TlsConfig;
  /** Absent: connections are made straight to the broker. */
  readonly proxy?: ProxyConfig;
}

/** A source before the whole configuration gives it its name. */
export type MqttSource = Omit<MqttConfig, "name"> & { readonly name?: string };

const defaultTopics = [
  "application/+/device/+/event/+",
  "+/gateway/+/event/stats",
  "+/gateway/+/event/mesh",
  "+/gateway/+/state/conn",
] as const;

/** What "application/#" and "+/gateway/#" have in common, and where nobody publishes. */
const nobodysTopics = "application/gateway/";

/** An event without an id that comes twice cannot be told from two events. */
function checkOverlaps(filters: readonly string[], context: z.RefinementCtx): void {
  for (const [index, filter] of filters.entries()) {
    for (const other of filters.slice(0, index)) {
      const common = commonTopics(other, filter);
      if (common === undefined || `${common}/`.startsWith(nobodysTopics)) continue;
      const what = common === filter ? "what it matches" : `what matches ${JSON.stringify(common)}`;
      complain(context, {
        path: [index],
        message: `overlaps with ${JSON.stringify(other)}: a broker may deliver ${what} twice`,
        hint: "keep the wider one, or let each name topics of its own",
      });
    }
  }
}

const topicFilter = z
  .string({ error: "expected a topic filter" })
  .refine(isTopicFilter, {
    error: "expected a topic filter: + stands for one whole level, # only for the last ones",
    params: { showFound: true },
  })
  .describe("A topic filter");

const stateTopic = z
  .string({ error: "expected a topic" })
  .refine((topic) => topic === "" || (isTopicText(topic) && !/[#+]/.test(topic)), {
    error: 'expected a topic without + and #, or "" for none',
    params: { showFound: true },
  })
  .default("flightline/{node}/state")
  .describe('Where the retained online state and the last will go; {node} is replaced; "" turns it off');

const shape = {
  name: text(
    "a name of lower-case letters, digits, - and _ (at most 32)",
    /^[a-z0-9_-]{1,32}$/,
    'What logs and status call this source; default "mqtt", "mqtt2", "mqtt3", … in the order of the tables',
  ).optional(),
  url: url({
    schemes: ["mqtt", "mqtts"],
    pathAllowed: false,
    credentialKeys: "username and password_file",
    description: "The broker: mqtt://host:1883 is plaintext, mqtts://host:8883 verifies its certificate",
  }),
  topics: z
    .array(topicFilter, { error: "expected a list of topic filters" })
    .min(1, { error: "expected at least one topic filter" })
    .max(100, { error: "expected at most 100 topic filters" })
    .superRefine(checkOverlaps)
    .default([...defaultTopics])
    .describe("What to subscribe to, at QoS 1"),
  username: text("a user name on one line", /^[^\p{Cc}]{1,1024}$/u, "User name at the broker").optional(),
  password: secret("Password at the broker; password_file keeps it out of this file"),
  password_file: secretFile("A file that holds the password"),
  client_id: text(
    "a client id on one line",
    /^[^\p{Cc}]{1,128}$/u,
    "MQTT client id; default: one is made at the first start and kept",
  ).optional(),
  protocol: oneOf(["auto", "5", "3.1.1"], "auto", "MQTT version; auto tries 5 and falls back to 3.1.1"),
  receive_maximum: wholeNumber({
    fallback: 1000,
    min: 1,
    max: 65_535,
    description: "How many unacknowledged messages the broker may have under way",
  }),
  session_expiry: durationMs({
    fallback: "7d",
    min: "1m",
    max: "365d",
    description: "How long the broker keeps messages for us while we are away",
  }),
  keepalive: durationMs({
    fallback: "30s",
    min: "1s",
    max: "18h",
    description: "How often the connection is proved alive when it is silent",
  }),
  connect_timeout: durationMs({
    fallback: "10s",
    min: "100ms",
    max: "10m",
    description: "How long one attempt to connect may take, proxy and TLS included",
  }),
  state_topic: stateTopic,
  ...tlsShape,
  ...proxyShape,
};

export const mqttSchema = table(shape)
  .superRefine((source, context) => {
    checkTls(source, { secure: "mqtts", plain: "mqtt" }, context);
    checkProxy(source, context);
    if (source.password !== undefined && source.password_file !== undefined) {
      complain(context, { path: ["password_file"], message: "password is given too: keep one of the two" });
    }
    const hasPassword = source.password !== undefined || source.password_file !== undefined;
    if (hasPassword && source.username === undefined && source.protocol === "3.1.1") {
      const key = source.password === undefined ? "password_file" : "password";
      complain(context, { path: [key], message: "needs username: MQTT 3.1.1 has no password without one" });
    }
  }, evenIfBroken)
  .transform((source): MqttSource =>
    defined({
      name: source.name,
      url: source.url,
      topics: source.topics,
      username: source.username,
      password: source.password ?? source.password_file,
      clientId: source.client_id,
      protocol: source.protocol,
      receiveMaximum: source.receive_maximum,
      sessionExpiryMs: source.session_expiry,
      keepaliveMs: source.keepalive,
      connectTimeoutMs: source.connect_timeout,
      stateTopic: source.state_topic,
      tls: compileTls(source),
      proxy: compileProxy(source, "mqtt"),
    }),
  );

const defaultPorts: Readonly<Record<string, string>> = { "mqtt:": "1883", "mqtts:": "8883" };

/**
 * A broker gives each client id one connection: two sources with the same one would take it from each other
 * for ever. Runs on tables that may be wrong already.
 */
export function checkClientIds(sources: unknown, context: z.RefinementCtx): void {
  if (!Array.isArray(sources)) return;
  const seen = new Set<string>();
  for (const [index, source] of (sources as readonly Partial<MqttSource>[]).entries()) {
    const broker = typeof source?.url === "string" ? URL.parse(source.url) : null;
    if (broker === null || typeof source.clientId !== "string") continue;
    const port = broker.port === "" ? defaultPorts[broker.protocol] : broker.port;
    const client = JSON.stringify([urlHost(broker.href), port, source.clientId]);
    if (seen.has(client)) {
      complain(context, {
        path: ["mqtt", index, "client_id"],
        message:
          "another [[mqtt]] table has this client id at the same broker: they would take each other's place",
        hint: "give each its own, or leave client_id out: one is made for each",
      });
    }
    seen.add(client);
  }
}
