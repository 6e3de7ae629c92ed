/**
 * The way to InfluxDB, as far as its name, its port and TLS: what a probe finds, in lines. Behind a proxy it is the
 * proxy that resolves and connects; then the handshake goes through its tunnel.
 */
import { Fault } from "../lib/fault.ts";
import type { ProxyConfig, TlsConfig } from "../net/config.ts";
import { behindProxy, type Peer } from "../net/diagnose.ts";
import { explain } from "../net/probe-explain.ts";
import type { ProbeReport, Speaks } from "../net/probe-report.ts";
import { shakeHands } from "../net/probe-tls.ts";
import { probe } from "../net/probe.ts";
import { connectThrough } from "../net/proxy.ts";
import type { Lines } from "./lines.ts";
import { tellWay, type WayFound } from "./way.ts";

export interface Way {
  readonly peer: Peer;
  readonly tls: TlsConfig;
  readonly proxy: ProxyConfig | undefined;
  readonly speaks: Extract<Speaks, "http" | "grpc">;
  readonly hasToken: boolean;
}

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
  const { peer, tls, proxy, hasToken } = way;
  if (seen instanceof Fault) {
    lines.fault("proxy", behindProxy(seen, proxy));
    return { isOpen: false, suspicion: undefined };
  }
  const explained = explain(seen, peer);
  const fault = explained && behindProxy(explained, proxy);
  return tellWay(
    lines,
    { url: peer.url, tls, proxy, secret: hasToken ? "token" : undefined },
    seen,
    fault,
    told,
  );
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
