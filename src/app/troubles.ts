/** What brokers, databases and parts suffer from, and whether the network around this machine explains it. Pure. */
import { layers } from "../lib/fault.ts";
import type { ProxyConfig } from "../net/config.ts";
import { commonCause } from "../net/common-cause.ts";
import { urlHost } from "../net/url-host.ts";
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

export function about(host: string | undefined, troubles: readonly TroubleStatus[]): Complained[] {
  return troubles.map((trouble) => ({ trouble, host }));
}

/** What a connection is made to. */
export function hostOf({
  url,
  proxy,
}: {
  readonly url: string;
  readonly proxy?: ProxyConfig | undefined;
}): string {
  return urlHost(proxy?.url ?? url);
}

export function faultStatus({ code, message, hint }: FaultStatus): FaultStatus {
  return { code, message, hint };
}
