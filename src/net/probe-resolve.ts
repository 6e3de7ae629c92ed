import { lookup as systemLookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { errorCode } from "../lib/fault.ts";
import type { ResolveLayer } from "./probe-report.ts";
import { elapsed, within, type Bound } from "./probe-socket.ts";

/** How names become addresses: the system's way, which knows /etc/hosts too, and DNS itself. */
export interface Names {
  /** Rejects as `dns.lookup` does. */
  readonly lookup: (host: string) => Promise<readonly string[]>;
  /** Addresses of DNS servers; undefined: those of the system. */
  readonly dnsServers?: readonly string[] | undefined;
}

export const systemNames: Names = {
  lookup: async (host) => (await systemLookup(host, { all: true })).map(({ address }) => address),
};

/** Never rejects. The system's lookup cannot be stopped: one that is late ends by itself, and nobody listens. */
export async function resolve(host: string, names: Names, bound: Bound): Promise<ResolveLayer> {
  if (isIP(host) !== 0) return { ms: 0, addresses: [host] };
  const startedMs = performance.now();
  const found = await within<readonly string[] | string>(bound, "EAI_AGAIN", (settle) => {
    names.lookup(host).then(settle, (error: unknown) => settle(errorCode(error) ?? "EAI_FAIL"));
  });
  if (typeof found !== "string" && found.length > 0) {
    return { ms: elapsed(startedMs), addresses: found };
  }
  const isUnknown = typeof found !== "string" || found === "ENOTFOUND";
  const left = { ...bound, timeoutMs: bound.timeoutMs - (performance.now() - startedMs) };
  const why =
    isUnknown && (await dnsAnswers(host, names.dnsServers, left)) ? "no_such_name" : "no_dns_answer";
  return { ms: elapsed(startedMs), addresses: [], why };
}

/** The system's resolver calls a name unknown also when it could ask nobody. */
async function dnsAnswers(host: string, servers: Names["dnsServers"], bound: Bound): Promise<boolean> {
  const resolver = new Resolver({ timeout: Math.max(1, Math.ceil(bound.timeoutMs / 2)), tries: 1 });
  if (servers !== undefined) resolver.setServers(servers);
  const code = await within(bound, "ETIMEOUT", (settle) => {
    resolver.resolve4(host).then(
      () => settle(""),
      (error: unknown) => settle(errorCode(error) ?? "ETIMEOUT"),
    );
  });
  resolver.cancel();
  return !/^(?:ETIMEOUT|ECONNREFUSED|ECANCELLED|ESERVFAIL)$/.test(code);
}
