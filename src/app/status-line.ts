/** The daemon in one line, for `systemctl status`: what is wrong first. What is usually nothing is left out. Pure. */
import type { DaemonStatus } from "../status/daemon-status.ts";
import type { HeldStatus } from "../pipeline/held.ts";
import { connectedCount, influxdbState, type Snapshot } from "../status/snapshot.ts";
import type { ChildStatus } from "../supervision/child.ts";

interface Look extends Pick<DaemonStatus, "drain" | "rates" | "unhealthy"> {
  readonly snapshot: Snapshot;
  /** Of each database that has refused something which waits. */
  readonly held: readonly HeldStatus[];
  readonly isSafe: boolean;
  readonly journalTrouble: string | undefined;
  readonly networkTrouble: string | undefined;
  readonly parts: readonly Pick<ChildStatus, "name" | "state">[];
}

export function statusLine(look: Look): string {
  const { snapshot, held, drain, rates, unhealthy, isSafe, journalTrouble, networkTrouble, parts } = look;
  const { sources, databases, journal, kept } = snapshot;
  const troubled = parts
    .filter(({ state }) => state === "waiting" || state === "parked" || state === "stuck")
    .map(({ name, state }) => `${name} ${state}`);
  return [
    ...(unhealthy === "" ? [] : [`stuck: ${unhealthy}`]),
    ...(isSafe ? ["safe mode"] : []),
    ...(journalTrouble === undefined ? [] : [`nothing is taken in: ${journalTrouble}`]),
    ...(networkTrouble === undefined ? [] : [networkTrouble]),
    `${connectedCount(snapshot)} of ${sources.length} brokers`,
    `InfluxDB ${influxdbState({ databases })}`,
    `backlog ${journal.backlog}${leftText(drain)}`,
    ...held.map(({ count, fault }) => `${count} held after a refusal (${fault.code})`),
    ...unlessNone(kept?.deadLines, "dead lines"),
    ...unlessNone(kept?.quarantined, "quarantined"),
    `${rates.received.toFixed(1)}/s in, ${rates.written.toFixed(1)}/s written`,
    ...troubled,
  ].join(", ");
}

function leftText(drain: DaemonStatus["drain"]): string {
  return drain === undefined ? "" : ` (${Math.ceil(drain.leftMs / 60_000)} min left)`;
}

function unlessNone(count: number | undefined, what: string): string[] {
  return count === undefined || count === 0 ? [] : [`${what} ${count}`];
}
