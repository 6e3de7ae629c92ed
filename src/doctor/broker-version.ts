/** What a broker tells of itself on $SYS: its version, and how many messages its limits have cost. */
import type { IPublishPacket } from "mqtt";
import { Fault } from "../lib/fault.ts";
import { oneLine } from "../lib/one-line.ts";
import { within } from "../net/probe-socket.ts";
import { bugsOf, firstWithout, type Product, type Version } from "./broker-bugs.ts";
import { enter, type Door } from "./broker-client.ts";
import type { Lines } from "./lines.ts";

/** mosquitto has these two, as have those that follow it; EMQX has one for each node. */
const versionTopic = "$SYS/broker/version";
const droppedTopic = "$SYS/broker/publish/messages/dropped";
const emqxTopics = "$SYS/brokers/+/version";

/** Retained messages come right behind SUBACK. */
const settleMs = 1000;
const maxText = 80;

export interface Told {
  readonly version?: string | undefined;
  readonly isEmqx?: boolean | undefined;
  /** For lack of room in a queue, since the broker started. */
  readonly dropped?: number | undefined;
}

/**
 * On a connection of its own: there are brokers that end it when somebody asks for what is not for him. Rejects only
 * with the signal's reason.
 */
export async function askAbout(door: Door, signal: AbortSignal): Promise<Told> {
  const told: { version?: string; isEmqx?: boolean; dropped?: number } = {};
  let isTold = (): void => {};
  const received = ({ topic, payload }: IPublishPacket): void => {
    const text = oneLine(payload.toString("utf8"), maxText);
    if (topic === droppedTopic && /^\d+$/.test(text)) told.dropped = Number(text);
    else if (topic !== droppedTopic) {
      told.version = text;
      told.isEmqx = topic !== versionTopic;
    }
    if (told.version !== undefined && (told.isEmqx === true || told.dropped !== undefined)) isTold();
  };
  try {
    const client = await enter({ ...door, received }, signal);
    try {
      const topics = [versionTopic, droppedTopic, emqxTopics];
      await Promise.all(topics.map(async (topic) => await client.subscribe(topic, signal, "with")));
      await within<undefined>({ timeoutMs: settleMs, signal }, undefined, (settle) => {
        isTold = () => settle(undefined);
        void client.ended.then(() => settle(undefined));
        if (told.version !== undefined && told.dropped !== undefined) settle(undefined);
      });
    } finally {
      await client.leave("forget");
    }
  } catch (error) {
    // Who does not want to say so need not.
    if (!(error instanceof Fault)) throw error;
  }
  return told;
}

export function tellAbout(told: Told, lines: Lines): void {
  const product = productOf(told);
  tellVersion(told, product, lines);
  if (product === "mosquitto") tellMosquittoQueue(told.dropped, lines);
  else if (product === "EMQX") {
    lines.ok(
      "queue",
      "EMQX keeps 1000 messages for a client that is away, unless mqtt.max_mqueue_len says otherwise",
    );
  } else lines.skipped("queue", "how much it keeps for a client that is away is not told");
}

function productOf({ version = "", isEmqx }: Told): Product | undefined {
  if (isEmqx === true) return "EMQX";
  return /^mosquitto\b/i.test(version) ? "mosquitto" : undefined;
}

function tellVersion({ version: text }: Told, product: Product | undefined, lines: Lines): void {
  if (text === undefined) {
    lines.skipped("version", "the broker does not tell it on $SYS, or not to this user");
    return;
  }
  const version = versionIn(text);
  if (version === undefined || product === undefined) {
    lines.ok("version", `${text}; no bug of it is known here`, { version: text });
    return;
  }
  const name = `${product} ${version.join(".")}`;
  const figures = { broker: product, version: version.join(".") };
  const bugs = bugsOf(product, version);
  const fixed = firstWithout(bugs);
  if (fixed === undefined) {
    lines.ok("version", `${name}, without a known bug that touches delivery`, figures);
    return;
  }
  const certain = bugs.filter(({ onlyWith }) => onlyWith === undefined);
  const said = bugs.map(({ what, onlyWith }) =>
    onlyWith === undefined ? what : `only with ${onlyWith}, ${what}`,
  );
  const known = `${name}: ${said.join("; ")}`;
  if (certain.length === 0) lines.ok("version", `${known}; not from ${fixed.join(".")} on`, figures);
  else {
    const hint = `update it to ${fixed.join(".")} or newer, where that is to be had for this machine`;
    lines.warning("version", known, hint, figures);
  }
}

function versionIn(text: string): Version | undefined {
  const [, major, minor, patch] = /(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  return patch === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

function tellMosquittoQueue(dropped: number | undefined, lines: Lines): void {
  const limit =
    "mosquitto keeps 1000 messages for a client that is away, unless max_queued_messages says otherwise";
  if (dropped === undefined) lines.ok("queue", limit);
  else if (dropped === 0) lines.ok("queue", `${limit}; it has dropped none`, { dropped });
  else {
    const hint =
      "raise max_queued_messages in mosquitto.conf to what comes in the longest outage; sum of all clients, so that the daemon's part is not known";
    lines.warning("queue", `${limit}; it has dropped ${dropped} since it started`, hint, { dropped });
  }
}
