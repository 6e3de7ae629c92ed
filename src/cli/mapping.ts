/** `flightline mapping show`: what becomes of each key of a device's or a profile's last payloads. */
import { setImmediate as turn } from "node:timers/promises";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { JournalReader } from "../journal/reader.ts";
import { Fault } from "../lib/fault.ts";
import { mappingNotes, proposeMapping } from "../telemetry/mapping-proposal.ts";
import { unmetRules } from "../telemetry/mapping-unmet.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import { describeFault } from "./describe-fault.ts";
import { exitCode, type Io, type Run } from "./io.ts";
import { groupToJson, nothingToJson } from "./mapping-json.ts";
import { harmless } from "./mapping-layout.ts";
import { KnownSchema } from "./mapping-schema.ts";
import { MappingSearch } from "./mapping-search.ts";
import { describeGroup, describeNothing } from "./mapping-text.ts";
import { isWithin } from "./traffic.ts";

export interface MappingOptions {
  readonly config: string;
  /** A device's EUI or name, or the name or id of a device profile or an application. */
  readonly name: string;
  /** How many messages are looked at, at most, and how many payloads are enough. */
  readonly messages: number;
  readonly payloads: number;
  readonly json: boolean;
}

const maxMessages = 1_000_000;
const maxPayloads = 1000;
/** Read at once; the largest messages have 256 KiB. */
const chunkCount = 200;

export const mappingShowCommand: Run<MappingOptions> = async (options, io) => {
  const mistake = mistakeIn(options);
  if (mistake !== undefined) {
    io.err(`${mistake}\n`);
    return exitCode.usage;
  }
  const loaded = loadConfig({ file: options.config, env: io.env });
  if (!loaded.ok) {
    if (options.json) sayJson(io, loaded);
    else io.err(loaded.problems.map(formatProblem).join(""));
    return exitCode.config;
  }
  const { telemetry, journal } = loaded.config;
  try {
    const schema = new KnownSchema(journal.dir, loaded.config);
    const search = new MappingSearch(options.name, options.payloads, telemetry, schema);
    if (!(await searchJournal(journal.dir, search, options.messages, io.signal))) return exitCode.failed;
    return report(search, options, telemetry, io);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, message, hint = null } = error;
    if (options.json) sayJson(io, { ok: false, fault: { code, message, hint } });
    else io.err(describeFault(error));
    return exitCode.failed;
  }
};

function mistakeIn({ name, messages, payloads }: MappingOptions): string | undefined {
  if (name === "")
    return "expected the EUI or name of a device, or the name of a device profile or application";
  if (!isWithin(messages, 1, maxMessages)) return `--messages: expected 1 to ${maxMessages}.`;
  if (!isWithin(payloads, 1, maxPayloads)) return `--payloads: expected 1 to ${maxPayloads}.`;
  return undefined;
}

/** From the newest message backwards. False: it was interrupted. */
async function searchJournal(
  dir: string,
  search: MappingSearch,
  maxCount: number,
  signal: AbortSignal,
): Promise<boolean> {
  using reader = JournalReader.open(dir);
  let before = Number.MAX_SAFE_INTEGER;
  while (search.lookedAt < maxCount && !search.isFull) {
    const messages = reader.before(before, Math.min(chunkCount, maxCount - search.lookedAt));
    if (messages.length === 0) break;
    for (const message of messages) {
      before = message.seq;
      search.look(message);
      if (search.isFull) break;
    }
    // Signals are heard between two turns only.
    await turn();
    if (signal.aborted) return false;
  }
  return true;
}

function report(search: MappingSearch, options: MappingOptions, settings: TelemetrySettings, io: Io): number {
  const { groups } = search;
  const described = groups.map((group) => {
    const { mapping, traces } = group;
    const applied = mapping === undefined ? undefined : settings.profiles[mapping - 1];
    return {
      group,
      match: applied?.match,
      unmet: applied === undefined ? [] : unmetRules(traces, applied),
      proposal: proposeMapping(traces, applied),
      notes: mappingNotes(traces),
    };
  });
  if (options.json) {
    const found = {
      profiles: described.map(groupToJson),
    };
    sayJson(io, {
      ok: groups.length > 0,
      name: options.name,
      messages_looked_at: search.lookedAt,
      undecodable: search.undecodable,
      ...(groups.length > 0 ? found : nothingToJson(search)),
    });
  } else if (groups.length === 0) io.err(describeNothing(options.name, search, options.messages));
  else {
    io.out(described.map(describeGroup).join("\n"));
  }
  return groups.length > 0 ? exitCode.done : exitCode.failed;
}

function sayJson(io: Io, value: object): void {
  io.out(`${harmless(JSON.stringify(value))}\n`);
}
