/**
 * The way to a server, as far as its name, its port and TLS: what a probe finds, in lines. Behind a proxy it is the
 * proxy that resolves and connects; then the handshake goes through its tunnel.
 */
import { isIP } from "node:net";
import { Fault } from "../lib/fault.ts";
import type { ProxyConfig, TlsConfig } from "../net/config.ts";
import type { Peer } from "../net/diagnose.ts";
import { explain } from "../net/probe-explain.ts";
import type { ProbeReport, Speaks, TlsLayer } from "../net/probe-report.ts";
import { shakeHands } from "../net/probe-tls.ts";
import { probe } from "../net/probe.ts";
import { connectThrough } from "../net/proxy.ts";
import { roundedMs, shownMs, shownSpan, type Lines } from "./lines.ts";

export interface Way {
  readonly peer: Peer;
  readonly tls: TlsConfig;
  readonly proxy: ProxyConfig | undefined;
  readonly speaks: Extract<Speaks, "http" | "grpc">;
  readonly hasToken: boolean;
}

export interface WayFound {
  /** There is a connection, or what keeps it from coming about has not been told: requests can say more. */
  readonly isOpen: boolean;
  /** What a probe makes of the answers on that connection. Not told: a request knows better, where it succeeds. */
  readonly suspicion: Fault | undefined;
}

type Check = "proxy" | "name" | "tcp" | "tls" | "alpn";
const ladder: readonly Check[] = ["proxy", "name", "tcp", "tls", "alpn"];

/** The probe takes twice that at most. */
const stepMs = 2500;
const proxyMs = 5000;

/** `told`: the checks that have a line; the others are looked at all the same, and told when they fail. */
export async function examineWay(
  way: Way,
  told: ReadonlySet<string>,
  lines: Lines,
  signal: AbortSignal,
): Promise<WayFound> {
  const seen =
    way.proxy === undefined ? await direct(way, signal) : await throughProxy(way, way.proxy, signal);
  signal.throwIfAborted();
  const fault = seen instanceof Fault ? seen : explain(seen, way.peer);
  const failed = fault === undefined ? undefined : seen instanceof Fault ? "proxy" : placeOf(seen, fault);
  for (const check of ladder) {
    if (fault !== undefined && check === failed) {
      lines.fault(check, fault);
      return { isOpen: false, suspicion: undefined };
    }
    if (told.has(check) && !(seen instanceof Fault)) tellers[check](lines, seen, way);
  }
  return { isOpen: true, suspicion: fault };
}

async function direct({ peer: { url }, tls, speaks }: Way, signal: AbortSignal): Promise<ProbeReport> {
  return await probe({ url, tls, speaks, timeoutMs: stepMs }, signal);
}

/** As far as it can be seen from here: the tunnel, and TLS inside of it. */
async function throughProxy(
  { peer, tls, speaks }: Way,
  proxy: ProxyConfig,
  signal: AbortSignal,
): Promise<ProbeReport | Fault> {
  const { protocol, hostname, port } = new URL(peer.url);
  const usesTls = protocol === "https:";
  const host = hostname.replace(/^\[|\]$/g, "");
  const startedMs = performance.now();
  const startedAtMs = Date.now();
  const through = { timeoutMs: proxyMs, signal };
  try {
    const socket = await connectThrough(
      proxy,
      host,
      port === "" ? (usesTls ? 443 : 80) : Number(port),
      through,
    );
    const ms = performance.now() - startedMs;
    const report = { speaks, usesTls, startedAtMs, ms, resolve: { ms: 0, addresses: [] } };
    if (!usesTls) {
      socket.destroy();
      return report;
    }
    const alpn = [speaks === "grpc" ? "h2" : "http/1.1"];
    const { layer, session } = await shakeHands(socket, { host, tls, alpn }, through);
    session?.destroy();
    return { ...report, tls: layer };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) return error;
    throw error;
  }
}

/** The line that a fault belongs to; undefined: what answers is wrong, but there is a connection. */
function placeOf({ resolve, connect, tls, usesTls }: ProbeReport, { code }: Fault): Check | undefined {
  if (resolve.why !== undefined) return "name";
  if (connect !== undefined && connect.attempts.every(({ failure }) => failure !== undefined)) return "tcp";
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
  name(lines, { resolve: { addresses, ms } }, { proxy, peer }) {
    const { hostname } = new URL(peer.url);
    const host = hostname.replace(/^\[|\]$/g, "");
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
    const text = `${open.length} of ${attempts.length} addresses connect (${first?.address}: ${shownMs(first?.ms ?? 0)})`;
    const figures = { connectMs: roundedMs(first?.ms ?? 0) };
    if (open.length === attempts.length) {
      lines.ok("tcp", `connected to ${first?.address}, ${shownMs(first?.ms ?? 0)}`, figures);
      return;
    }
    const closed = attempts.filter(({ failure }) => failure !== undefined);
    const which = closed.map(({ address, failure }) => `${address}: ${failure}`).join(", ");
    const hint = `each new connection may try those first: ${which}; remove them from DNS, or let the server listen there`;
    lines.warning("tcp", text, hint, figures);
  },
  tls(lines, { tls, usesTls, connect }, way) {
    if (usesTls && tls !== undefined) tellTls(lines, tls, way);
    else if (!usesTls) tellPlaintext(lines, connect?.attempts.map(({ address }) => address) ?? [], way);
  },
  alpn(lines, { tls, usesTls }, { speaks }) {
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
/** Of a certificate that its owner renews in time: certbot does with 30 days left, and public ones last 45 or more. */
const renewedBeforeMs = 14 * dayMs;

function tellTls(lines: Lines, layer: TlsLayer, { tls }: Way): void {
  const { chain, protocol = "TLS", distrust } = layer;
  const [leaf] = chain;
  // A chain is as good as its shortest certificate.
  const validToMs = Math.min(...chain.map((certificate) => certificate.validToMs));
  const leftMs = validToMs - Date.now();
  const until = Number.isFinite(validToMs) ? new Date(validToMs).toISOString().slice(0, 10) : "?";
  const issued = `${protocol}, issued by ${leaf?.issuer ?? "nobody"}, valid until ${until}`;
  const figures = { issuer: leaf?.issuer ?? "", daysLeft: Math.floor(leftMs / dayMs) };
  if (!tls.verify) {
    const what = distrust === undefined ? "" : `; this one would be refused (${distrust})`;
    const hint =
      "remove verify = false, and name the authority in ca_file: whoever is in between can read the token";
    lines.warning("tls", `any certificate is accepted${what}: ${issued}`, hint, figures);
  } else if (leftMs < renewedBeforeMs) {
    const text = `the certificate expires in ${shownSpan(Math.max(0, leftMs))}: ${issued}`;
    lines.warning("tls", text, "renew it on the server, and see why that does not happen by itself", figures);
  } else lines.ok("tls", issued, figures);
}

function tellPlaintext(lines: Lines, addresses: readonly string[], { hasToken, proxy }: Way): void {
  const isFar = proxy !== undefined || !addresses.every(isNear);
  const isHere = proxy === undefined && addresses.every(isLoopback);
  if (!hasToken || isHere) lines.skipped("tls", "not spoken: http:// is plaintext");
  else if (isFar) {
    const hint = "use https://, or end TLS in front of InfluxDB: whoever is in between can read the token";
    lines.warning("tls", "the token travels in plaintext, through networks of others", hint);
  } else lines.ok("tls", "not spoken: the token travels in plaintext, within private addresses only");
}

function isLoopback(address: string): boolean {
  return /^(?:127\.|::1$|::ffff:127\.)/i.test(address);
}

/** RFC 1918, RFC 6598, RFC 4193 and link-local addresses. */
const privateV4 =
  /^(?:10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
const privateV6 = /^f(?:[cd][0-9a-f]{2}|e[89ab][0-9a-f]):/i;

/** Of this machine, or in a network of its owner's. */
export function isNear(address: string): boolean {
  return isLoopback(address) || privateV4.test(address) || privateV6.test(address);
}
