import { isIP } from "node:net";
import { Fault } from "../lib/fault.ts";
import { isLoopback } from "./loopback.ts";

/**
 * When several parts complain because the network is gone, one fault says so, and theirs stand behind it. Pure.
 *
 * Nothing is concluded from one complaint, nor from several about one host, on however many ports: that may be the
 * host. Nor against what is seen to work: a peer that is connected shows that there is a way out, and one that is
 * connected by its name that DNS knows names.
 */

export interface Complaint {
  /** The part: "mqtt", "influxdb". */
  readonly where: string;
  /** The name or address that it connects to, of a URL. Undefined: not known, and no evidence then. */
  readonly host: string | undefined;
  readonly fault: Pick<Fault, "code">;
}

interface CommonCause<T extends Complaint> {
  readonly fault: Fault;
  /** What it explains, as it came. */
  readonly behind: readonly T[];
}

/** What comes of a network that is gone, and of other things as well. */
const symptoms: ReadonlySet<string> = new Set([
  "broker_connection_lost",
  "broker_silent",
  "connect_timeout",
  "connection_closed",
  "connection_failed",
  "flight_cut_off",
  "flight_timeout",
  "flight_unavailable",
  "host_unreachable",
  "name_lookup_failed",
  "name_not_found",
  "schema_timeout",
  "server_silent",
  "server_too_slow",
  "tls_handshake_cut",
  "write_timeout",
]);

/** Undefined: each complaint stands for itself. `reached`: the hosts that parts are connected to just now. */
export function commonCause<T extends Complaint>(
  complaints: readonly T[],
  reached: readonly string[],
): CommonCause<T> | undefined {
  // What goes wrong within this machine has other causes.
  const behind = complaints.filter(
    ({ fault, host }) => symptoms.has(fault.code) && (host === undefined || !isLoopback(host)),
  );
  const hosts = (...codes: readonly string[]): number =>
    new Set(behind.flatMap(({ fault, host }) => (codes.includes(fault.code) ? (host ?? []) : []))).size;
  if (new Set(behind.map(({ where }) => where)).size < 2) return undefined;
  const far = reached.filter((host) => !isLoopback(host));
  const isWayless =
    hosts("host_unreachable") > 0 && hosts("host_unreachable", "connect_timeout", ...lookups) > 1;
  if (isWayless && far.length === 0) return { fault: uplinkDown(behind), behind };
  if (hosts(...lookups) < 2 || far.some((host) => !isAddress(host))) return undefined;
  // A machine without DNS still reaches addresses: those have reasons of their own.
  const nameless = behind.filter(({ fault }) => lookups.includes(fault.code));
  const isDnsSilent = nameless.some(({ fault }) => fault.code === "name_lookup_failed");
  return { fault: isDnsSilent ? dnsSilent(nameless) : dnsKnowsNothing(nameless), behind: nameless };
}

const lookups: readonly string[] = ["name_lookup_failed", "name_not_found"];

/** A URL has brackets around addresses of IPv6. */
function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, "")) !== 0;
}

function uplinkDown(behind: readonly Complaint[]): Fault {
  return new Fault({
    code: "uplink_down",
    layer: "network",
    disposition: "retry",
    message: `this machine has no way out to the network: ${parts(behind)} cannot work`,
    hint: "see its uplink: ip -brief address, ip route",
  });
}

function dnsSilent(behind: readonly Complaint[]): Fault {
  return new Fault({
    code: "dns_silent",
    layer: "network",
    disposition: "retry",
    message: `no DNS server answers this machine: ${parts(behind)} cannot work`,
    hint: "see that the machine is online and what /etc/resolv.conf names as DNS server",
  });
}

function dnsKnowsNothing(behind: readonly Complaint[]): Fault {
  return new Fault({
    code: "dns_knows_nothing",
    layer: "network",
    disposition: "retry",
    message: `DNS knows none of the names that are asked for: ${parts(behind)} cannot work`,
    hint: "a wrong DNS server looks like this, and a network that wants a login: see /etc/resolv.conf, then the names themselves (getent hosts NAME)",
  });
}

const mostNamed = 6;

function parts(behind: readonly Complaint[]): string {
  const names = [...new Set(behind.map(({ where }) => where))];
  const most = names.length > mostNamed ? mostNamed - 1 : names.length - 1;
  const rest = names.length - most;
  if (most === 0) return names.join("");
  return `${names.slice(0, most).join(", ")} and ${rest > 1 ? `${rest} more` : (names.at(-1) ?? "")}`;
}
