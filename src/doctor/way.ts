/**
 * The way to a server, as one probe sees it: its name, its port and TLS, in lines. The same for brokers and databases.
 * Pure but for the probe's answers.
 */
import { isIP } from "node:net";
import type { Fault } from "../lib/fault.ts";
import type { ProxyConfig, TlsConfig } from "../net/config.ts";
import { endsSoon } from "../net/expiry.ts";
import { isLoopback } from "../net/loopback.ts";
import type { ProbeReport, TlsLayer } from "../net/probe-report.ts";
import { urlHost } from "../net/url-host.ts";
import { roundedMs, shownMs, shownSpan, type Lines } from "./lines.ts";

export interface Way {
  readonly url: string;
  readonly tls: TlsConfig;
  readonly proxy?: ProxyConfig | undefined;
  /** What would be of use to who can read it. */
  readonly secret: "password" | "token" | undefined;
}

export interface WayFound {
  /** There is a connection, or what keeps it from coming about has not been told: requests can say more. */
  readonly isOpen: boolean;
  /** What a probe makes of the answers on that connection. Not told: a request knows better, where it succeeds. */
  readonly suspicion: Fault | undefined;
}

type Check = "proxy" | "name" | "tcp" | "tls" | "alpn";
const ladder: readonly Check[] = ["proxy", "name", "tcp", "tls", "alpn"];

/**
 * `fault`: what the report comes to. `told`: the checks that have a line; the others are looked at all the same, and
 * told when they fail.
 */
export function tellWay(
  lines: Lines,
  way: Way,
  report: ProbeReport,
  fault: Fault | undefined,
  told: ReadonlySet<string>,
): WayFound {
  const failed = fault === undefined ? undefined : placeOf(report, fault);
  for (const check of ladder) {
    if (fault !== undefined && check === failed) {
      lines.fault(check, fault);
      return { isOpen: false, suspicion: undefined };
    }
    if (told.has(check)) tellers[check](lines, report, way);
  }
  return { isOpen: true, suspicion: fault };
}

/** The line that a fault belongs to; undefined: what answers is wrong, but there is a connection. */
function placeOf({ resolve, connect, tls, usesTls }: ProbeReport, { code }: Fault): Check | undefined {
  if (resolve.why !== undefined) return "name";
  if (connect?.attempts.every(({ failure }) => failure !== undefined) === true) return "tcp";
  if (code === "tls_no_alpn_h2") return "alpn";
  if (code === "server_is_tls" || /^(?:tls|clock)_/.test(code)) return "tls";
  return usesTls && tls?.failure !== undefined ? "tls" : undefined;
}

type Teller = (lines: Lines, report: ProbeReport, way: Way) => void;

const tellers: Readonly<Record<Check, Teller>> = {
  proxy(lines, { ms }, { proxy }) {
    if (proxy === undefined) return;
    const text = `${new URL(proxy.url).origin} opens a tunnel to the server, ${shownMs(ms)}`;
    lines.ok("proxy", text, { proxyMs: roundedMs(ms) });
  },
  name(lines, { resolve: { addresses, ms } }, { proxy, url }) {
    const host = urlHost(url);
    if (proxy !== undefined) lines.skipped("name", "not looked up here: the proxy does");
    else if (isIP(host) !== 0) lines.ok("name", `${host} is an address: nothing to look up`);
    else {
      const count = addresses.length;
      const text = `${host}: ${count} address${count === 1 ? "" : "es"}, ${shownMs(ms)}`;
      lines.ok("name", text, { addresses: addresses.join(" "), lookUpMs: roundedMs(ms) });
    }
  },
  tcp(lines, { connect }, { proxy }) {
    if (proxy !== undefined || connect === undefined) {
      lines.skipped("tcp", "not connected to from here: the proxy does");
      return;
    }
    const { attempts } = connect;
    const open = attempts.filter(({ failure }) => failure === undefined);
    const [first] = open;
    if (first === undefined) return;
    const closed = attempts.filter(({ failure }) => failure !== undefined);
    const which = closed.map(({ address, failure }) => `${address}: ${failure}`).join(", ");
    const some =
      which === "" ? "" : ` (${open.length} of ${attempts.length} addresses connect, and not ${which})`;
    // Each connection tries the others when one does not answer, and localhost is often two: no warning.
    lines.ok("tcp", `connected to ${first.address}, ${shownMs(first.ms)}${some}`, {
      connectMs: roundedMs(first.ms),
    });
  },
  tls(lines, report, way) {
    if (report.usesTls && report.tls !== undefined) tellTls(lines, report, report.tls, way);
    else if (!report.usesTls) tellPlaintext(lines, report, way);
  },
  alpn(lines, { tls, usesTls, speaks }) {
    if (!usesTls) lines.skipped("alpn", "there is no TLS to choose a protocol in: http:// is plaintext");
    else if (tls?.alpn !== undefined) lines.ok("alpn", `the server chooses ${tls.alpn}`, { alpn: tls.alpn });
    else
      lines.ok(
        "alpn",
        `the server chooses nothing, which ${speaks === "grpc" ? "grpc" : "HTTP/1.1"} does not need`,
      );
  },
};

const dayMs = 86_400_000;

function tellTls(lines: Lines, { startedAtMs }: ProbeReport, layer: TlsLayer, { tls }: Way): void {
  const { chain, protocol = "TLS", distrust } = layer;
  const ending = chain.filter((certificate) => endsSoon(certificate, startedAtMs));
  const issuer = chain[0]?.issuer ?? "nobody";
  // A chain ends with the first of its certificates that does.
  const validToMs = Math.min(...(ending.length > 0 ? ending : chain).map((one) => one.validToMs));
  const leftMs = validToMs - startedAtMs;
  const until = Number.isFinite(validToMs) ? new Date(validToMs).toISOString().slice(0, 10) : "?";
  const issued = `${protocol}, certificate issued by ${issuer}, valid until ${until}`;
  const figures = { protocol, issuer, validUntil: until, daysLeft: Math.floor(leftMs / dayMs) };
  if (!tls.verify) {
    const what = distrust === undefined ? "" : `; this one would be refused (${distrust})`;
    const hint =
      "remove verify = false, and name the authority in ca_file: whoever is in between can read and change all";
    lines.warning("tls", `any certificate is accepted${what}: ${issued}`, hint, figures);
  } else if (ending.length > 0) {
    const text = `the certificate expires in ${shownSpan(Math.max(0, leftMs))}: ${issued}`;
    lines.warning("tls", text, "renew it on the server, and see why that does not happen by itself", figures);
  } else lines.ok("tls", issued, figures);
}

function tellPlaintext(lines: Lines, { resolve: { addresses } }: ProbeReport, way: Way): void {
  const { proxy, secret } = way;
  if (proxy === undefined && addresses.every(isLoopback))
    lines.ok("tls", "plaintext, which stays on this machine");
  else if (secret === undefined)
    lines.ok("tls", "plaintext, as configured; neither password nor token is sent");
  else if (proxy === undefined && addresses.every(isNear))
    lines.ok("tls", `plaintext, as configured; the ${secret} travels within private addresses only`);
  else
    lines.warning(
      "tls",
      `the ${secret} travels in plaintext, through networks of others`,
      plaintextHints[secret],
    );
}

const plaintextHints = {
  token: "use https://, or end TLS in front of InfluxDB: whoever is in between can read the token",
  password:
    "let the broker speak TLS (mosquitto: a listener on 8883 with certfile and keyfile) and use mqtts://",
} as const;

/** RFC 1918, RFC 6598, RFC 4193 and link-local addresses. */
const privateV4 =
  /^(?:10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
const privateV6 = /^f(?:[cd][0-9a-f]{2}|e[89ab][0-9a-f]):/i;

/** Of this machine, or in a network of its owner's. */
export function isNear(address: string): boolean {
  return isLoopback(address) || privateV4.test(address) || privateV6.test(address);
}
