/** Name, port and TLS of a broker, as one probe sees them: what it tells in lines. Pure but for the probe's answers. */
import { isIP } from "node:net";
import type { Fault } from "../lib/fault.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { explain } from "../net/probe-explain.ts";
import type { ProbeReport, TlsLayer } from "../net/probe-report.ts";
import { shownMs, shownSpan, roundedMs, type Lines } from "./lines.ts";

export interface Way {
  /** Nothing can connect: a line says why. */
  readonly isClosed: boolean;
  /** What the probe makes of the answers on a connection that stands. Not told: CONNECT as configured knows better. */
  readonly suspicion: Fault | undefined;
}

export const wayChecks = ["name", "tcp", "tls"] as const;

export function tellWay(config: MqttConfig, report: ProbeReport, lines: Lines): Way {
  const fault = explain(report, { target: "broker", url: config.url });
  const failed = fault === undefined ? undefined : placeOf(report, fault);
  for (const check of wayChecks) {
    if (fault !== undefined && check === failed) {
      lines.fault(check, fault);
      return { isClosed: true, suspicion: undefined };
    }
    tellers[check](config, report, lines);
  }
  return { isClosed: false, suspicion: fault };
}

/** The line that a fault belongs to; undefined: there is a connection, and what answers on it seems wrong. */
function placeOf({ resolve, connect, tls, usesTls }: ProbeReport, { code }: Fault): string | undefined {
  if (resolve.why !== undefined) return "name";
  if (connect?.attempts.every(({ failure }) => failure !== undefined) === true) return "tcp";
  if (!usesTls) return code === "server_is_tls" ? "tls" : undefined;
  return tls?.failure !== undefined || /^(?:tls|clock)_/.test(code) ? "tls" : undefined;
}

type Teller = (config: MqttConfig, report: ProbeReport, lines: Lines) => void;

const tellers: Readonly<Record<(typeof wayChecks)[number], Teller>> = {
  name({ url }, { resolve: { addresses, ms } }, lines) {
    const host = hostOf(url);
    if (isIP(host) !== 0) {
      lines.ok("name", `${host} is an address: nothing to look up`);
      return;
    }
    const text = `${host}: ${addresses.length} address${addresses.length === 1 ? "" : "es"}, ${shownMs(ms)}`;
    lines.ok("name", text, { addresses: addresses.join(" "), lookUpMs: roundedMs(ms) });
  },
  tcp(_config, { connect }, lines) {
    const attempts = connect?.attempts ?? [];
    const open = attempts.filter(({ failure }) => failure === undefined);
    const [first] = open;
    if (first === undefined) return;
    const some =
      open.length === attempts.length ? "" : ` (${open.length} of ${attempts.length} addresses connect)`;
    // The daemon tries the others when one does not answer: no warning.
    lines.ok("tcp", `connected to ${first.address}, ${shownMs(first.ms)}${some}`, {
      connectMs: roundedMs(first.ms),
    });
  },
  tls(config, report, lines) {
    if (report.usesTls && report.tls !== undefined) tellTls(config, report, report.tls, lines);
    else tellPlaintext(config, report, lines);
  },
};

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

const dayMs = 86_400_000;
/** Whoever renews certificates by a program has done so by then. */
const soonMs = 14 * dayMs;

function tellTls({ tls }: MqttConfig, { startedAtMs }: ProbeReport, layer: TlsLayer, lines: Lines): void {
  const { chain, protocol = "TLS", distrust } = layer;
  const issuer = chain[0]?.issuer ?? "nobody";
  // A chain ends with the first of its certificates that does.
  const validToMs = Math.min(...chain.map((certificate) => certificate.validToMs));
  const leftMs = validToMs - startedAtMs;
  const until = Number.isFinite(validToMs) ? new Date(validToMs).toISOString().slice(0, 10) : "?";
  const issued = `${protocol}, certificate issued by ${issuer}, valid until ${until}`;
  const figures = { protocol, issuer, validUntil: until, daysLeft: Math.floor(leftMs / dayMs) };
  if (!tls.verify) {
    const what = distrust === undefined ? "" : `; this one would be refused (${distrust})`;
    const hint =
      "remove verify = false, and name the authority in ca_file: whoever is in between can read and change all";
    lines.warning("tls", `any certificate is accepted${what}: ${issued}`, hint, figures);
  } else if (leftMs < soonMs) {
    const text = `the certificate expires in ${shownSpan(Math.max(0, leftMs))}: ${issued}`;
    lines.warning("tls", text, "renew it in the broker, and see why that does not happen by itself", figures);
  } else lines.ok("tls", issued, figures);
}

function tellPlaintext({ password }: MqttConfig, { resolve }: ProbeReport, lines: Lines): void {
  if (resolve.addresses.every(isLoopback)) lines.ok("tls", "plaintext, which stays on this machine");
  else if (password === undefined) lines.ok("tls", "plaintext, as configured; no password is sent");
  else {
    const hint =
      "let the broker speak TLS (mosquitto: a listener on 8883 with certfile and keyfile) and use mqtts://";
    lines.warning("tls", "the password crosses the network in plaintext, with each connection", hint);
  }
}

function isLoopback(address: string): boolean {
  return /^(?:127\.|::1$|::ffff:127\.)/i.test(address);
}
