import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";
import { writeDurably } from "./durable-file.ts";

const fileName = "client-id";
const pattern = /^[0-9a-f]{12}$/;
/** The name of the source that is alone: its client id is just what every broker of MQTT 3.1.1 must take. */
const onlySource = "mqtt";

export interface InstallationId {
  /** 12 hex digits. */
  readonly id: string;
  /** What to report, if anything. */
  readonly fault: Fault | undefined;
}

/**
 * What makes the MQTT client ids of this installation its own: made once, in a text file beside the
 * databases, because the broker keeps the session under it and a database that is moved aside must not take
 * the session along. Durable when it returns. Throws the file system's own errors.
 */
export function installationId(dir: string): InstallationId {
  const file = join(dir, fileName);
  const stored = read(file);
  if (stored !== undefined && pattern.test(stored)) return { id: stored, fault: undefined };
  const id = randomBytes(6).toString("hex");
  writeDurably(file, `${id}\n`);
  return { id, fault: stored === undefined ? undefined : replacedFault(file) };
}

/** `flightline-` and the id have the 23 characters that MQTT 3.1.1 grants; further sources need more. */
export function clientIdOf(id: string, source: string): string {
  return source === onlySource ? `flightline-${id}` : `flightline-${id}-${source}`;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function replacedFault(file: string): Fault {
  return new Fault({
    code: "client_id_replaced",
    layer: "broker",
    disposition: "drop",
    message: `${file} was damaged: a new client id was made, and the broker keeps the old one's session for nobody`,
    hint: "put the old 12 hex digits back into the file if you know them, and restart",
  });
}
