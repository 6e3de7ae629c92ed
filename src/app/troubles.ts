/** What brokers, databases and parts suffer from, and whether the network around this machine explains it. Pure. */
import { layers } from "../lib/fault.ts";
import { commonCause } from "../net/common-cause.ts";
import type { Forward } from "../pipeline/forward.ts";
import type { HeldStatus } from "../pipeline/held.ts";
import type { SchemaKeeper } from "../pipeline/schema-keeper.ts";
import type { FaultStatus, TroubleStatus } from "../status/daemon-status.ts";
import type { FaultSummary } from "../supervision/child.ts";

/** A trouble, and the host that it is about where it is about one. */
export interface Complained {
  readonly trouble: TroubleStatus;
  readonly host: string | undefined;
}

type NetworkCause = ReturnType<typeof networkCause>;

/** `connected`: hosts of brokers. Where the work goes on all the same, the network is there. */
export function networkCause(complaints: readonly Complained[], connected: readonly string[]) {
  const bad = complaints.filter(({ trouble }) => trouble.severity === "bad");
  return commonCause(
    bad.map(({ trouble, host }) => ({ where: trouble.where, host, fault: trouble })),
    connected,
  );
}

const network = "network";

/** Lowest layer first; the network in front of what it explains, which stays. */
export function troublesOf(
  complaints: readonly Complained[],
  common: NetworkCause,
): readonly TroubleStatus[] {
  const explained = new Set(common?.behind.map(({ fault }) => fault));
  return [
    ...troubleOf(network, common?.fault),
    ...complaints.map(({ trouble }) => (explained.has(trouble) ? { ...trouble, behind: network } : trouble)),
  ].toSorted((one, other) => layers.indexOf(one.layer) - layers.indexOf(other.layer));
}

export function troubleOf(
  where: string,
  fault: FaultSummary | undefined,
  severity: TroubleStatus["severity"] = "bad",
): TroubleStatus[] {
  return fault === undefined ? [] : [{ ...faultStatus(fault), layer: fault.layer, where, severity }];
}

/** Messages that wait because of what a database has said of them. The work goes on beside them. */
function troubleOfHeld(where: string, held: HeldStatus | undefined): TroubleStatus[] {
  if (held === undefined) return [];
  const { count, fault } = held;
  const wait = count === 1 ? "a message waits" : `${count.toLocaleString("en-US")} messages wait`;
  const { code, layer, hint } = fault;
  const message = `${wait} to be tried again after a refusal: ${fault.message}`;
  return troubleOf(where, { code, layer, message, hint }, "doubtful");
}

/** A database: whether it takes writes, and whether its columns are known. */
export interface Watched {
  readonly name: string;
  readonly forward: Pick<Forward, "trouble" | "held">;
  readonly columns: Pick<SchemaKeeper, "trouble">;
}

/** One that takes no writes has worse troubles than columns that nobody can ask for. */
export function troubleOfDatabase({ name, forward, columns }: Watched): TroubleStatus[] {
  const held = troubleOfHeld(name, forward.held);
  if (forward.trouble !== undefined) return [...troubleOf(name, forward.trouble), ...held];
  return [...held, ...troubleOf(name, columns.trouble, "doubtful")];
}

export function about(host: string | undefined, troubles: readonly TroubleStatus[]): Complained[] {
  return troubles.map((trouble) => ({ trouble, host }));
}

export function faultStatus({ code, message, hint }: FaultStatus): FaultStatus {
  return { code, message, hint };
}
