import { Fault } from "../lib/fault.ts";

/**
 * When several parts complain because the network is gone, one fault says so, and theirs stand behind it. Pure.
 *
 * Nothing is concluded from one complaint, nor from several about one host: that may be the host.
 */

export interface Complaint {
  /** The part: "mqtt", "influxdb". */
  readonly where: string;
  readonly fault: Pick<Fault, "code" | "message">;
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

/** Undefined: each complaint stands for itself. */
export function commonCause<T extends Complaint>(complaints: readonly T[]): CommonCause<T> | undefined {
  const behind = complaints.filter(({ fault }) => symptoms.has(fault.code));
  const about = (...codes: readonly string[]): number =>
    // Each sentence names its host: equal ones are one complaint.
    new Set(behind.filter(({ fault }) => codes.includes(fault.code)).map(({ fault }) => fault.message)).size;
  if (new Set(behind.map(({ where }) => where)).size < 2) return undefined;
  const unreachable = about("host_unreachable");
  const unresolved = about("name_lookup_failed", "name_not_found");
  if (unreachable > 0 && unreachable + unresolved + about("connect_timeout") > 1) {
    return { fault: uplinkDown(behind), behind };
  }
  const isDnsSilent = about("name_lookup_failed") > 0;
  if (unresolved < 2) return undefined;
  // A machine without DNS still reaches addresses: those have reasons of their own.
  const nameless = behind.filter(({ fault }) => fault.code.startsWith("name_"));
  return { fault: isDnsSilent ? dnsSilent(nameless) : dnsKnowsNothing(nameless), behind: nameless };
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

function parts(behind: readonly Complaint[]): string {
  const names = [...new Set(behind.map(({ where }) => where))];
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}
