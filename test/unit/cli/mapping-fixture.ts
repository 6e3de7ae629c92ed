/** A configuration with a journal, filled with uplinks of ChirpStack v4; and a command that is run on it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import type { Io } from "../../../src/cli/io.ts";
import { mappingShowCommand, type MappingOptions } from "../../../src/cli/mapping.ts";
import type { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { climateUplink, toJsonBytes, upTopic } from "../chirpstack/samples.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";
import { message, openJournal, startMs } from "../journal/fixture.ts";

export interface Device {
  readonly devEui: string;
  readonly deviceName: string;
  readonly deviceProfileName: string;
  readonly deviceProfileId: string;
  readonly tags?: JsonObject;
}

export const barn: Device = {
  devEui: "24e124538b223213",
  deviceName: "barn 7 north",
  deviceProfileName: "EM300-TH",
  deviceProfileId: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
};

const intervalMs = 600_000;

/** The `n`th uplink of a device, ten minutes after the one before; an own id and time. */
export function uplink(n: number, object: JsonObject | undefined, device: Device = barn): IncomingMessage {
  const { deviceInfo, object: _none, ...rest } = climateUplink();
  const receivedMs = startMs + n * intervalMs;
  const json: JsonObject = {
    ...rest,
    deduplicationId: `3ac7e3c4-4401-4b8d-9386-${n.toString(16).padStart(12, "0")}`,
    time: new Date(receivedMs).toISOString(),
    deviceInfo: { ...(deviceInfo as JsonObject), ...device },
    ...(object === undefined ? {} : { object }),
  };
  return message("", { topic: upTopic, payload: toJsonBytes(json), receivedMs });
}

/** An uplink as Milesight's gateways publish it, which never name a profile. */
export function milesightUplink(n: number, object: JsonObject, envelope: JsonObject): IncomingMessage {
  const receivedMs = startMs + n * intervalMs;
  const time = new Date(receivedMs).toISOString();
  const json = {
    devEUI: "24E124136B500201",
    deviceName: "ug dev",
    gatewayTime: time,
    time,
    fCnt: n,
    fPort: 85,
  };
  const payload = toJsonBytes({ ...json, ...envelope, ...object });
  return message("", { topic: "ug65/uplink", payload, receivedMs });
}

export interface Site {
  readonly dir: string;
  readonly configFile: string;
  /** Open, as a running daemon has it. */
  readonly journal: Journal;
}

/** `config`: lines below `[journal]`. */
export function site(t: TestContext, sent: readonly IncomingMessage[], config = ""): Site {
  const { configFile, dir } = siteWithoutJournal(t, config);
  const journal = openJournal(t, dir);
  if (sent.length > 0) journal.commit(sent);
  return { dir, configFile, journal };
}

export function siteWithoutJournal(t: TestContext, config = ""): Omit<Site, "journal"> {
  const directory = new ConfigDirectory();
  t.after(() => {
    directory[Symbol.dispose]();
  });
  directory.write({ "flightline.toml": `${minimal}\n[journal]\ndir = "."\n${config}` });
  return { configFile: directory.main, dir: join(directory.path) };
}

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function show(
  { configFile }: Pick<Site, "configFile">,
  name: string,
  options: Partial<MappingOptions> = {},
  signal = new AbortController().signal,
): Promise<Said> {
  const said = { out: "", err: "" };
  const io: Io = {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    env: {},
    isTerminal: true,
    signal,
  };
  const all = { config: configFile, name, messages: 20_000, payloads: 50, json: false, ...options };
  return { code: await mappingShowCommand(all, io), ...said };
}

/** What --json says: one line, nothing on standard error. */
export async function showJson(
  where: Pick<Site, "configFile">,
  name: string,
  options: Partial<MappingOptions> = {},
): Promise<{ readonly code: number; readonly json: Record<string, unknown> }> {
  const { code, out, err } = await show(where, name, { ...options, json: true });
  assert.equal(err, "");
  assert.match(out, /^\{.*\}\n$/);
  return { code, json: JSON.parse(out) as Record<string, unknown> };
}
