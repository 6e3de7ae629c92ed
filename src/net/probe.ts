import type { Socket } from "node:net";
import { afterDelay, once } from "../lib/abort.ts";
import { assert } from "../lib/fault.ts";
import type {
  Answer,
  Asked,
  ConnectLayer,
  PlaintextLayer,
  ProbeReport,
  ProbeTarget,
  TlsLayer,
} from "./probe-report.ts";
import { statusOverHttp2 } from "./probe-http2.ts";
import { resolve, systemNames, type Names } from "./probe-resolve.ts";
import { ask, dial, elapsed, type Bound } from "./probe-socket.ts";
import { shakeHands } from "./probe-tls.ts";
import { urlHost, urlHostAndPort } from "./url-host.ts";

/**
 * Looks at an endpoint as a person with getent, nc, curl and openssl would: name, port, what the port speaks, the
 * TLS handshake as configured, and what time it is there.
 *
 * - A step takes `timeoutMs` at most and all together twice that, but for the time in which this process stands still;
 *   when it resolves, every socket is closed.
 * - Up to sixteen connections are open at once, for a moment; 16 KiB are read from each.
 * - No token, user name or password is sent. A client certificate is shown, as in every connection.
 * - What a peer does is in the report and never thrown. After an abort the report says what was seen until then.
 */

/** Once it is known what the port speaks, other protocols get this much longer, and three times what that took. */
const graceMs = 300;

const schemes: Readonly<Record<string, { readonly port: number; readonly usesTls: boolean }>> = {
  "http:": { port: 80, usesTls: false },
  "https:": { port: 443, usesTls: true },
  "mqtt:": { port: 1883, usesTls: false },
  "mqtts:": { port: 8883, usesTls: true },
};

/** A client tries them all; a name that has hundreds is a trap. */
const maxDialled = 16;

const allAsked: readonly Asked[] = ["http1", "http2", "mqtt"];
const askedFor = { http: "http1", grpc: "http2", mqtt: "mqtt" } as const;

export async function probe(
  target: ProbeTarget,
  signal: AbortSignal = new AbortController().signal,
  names: Names = systemNames,
): Promise<ProbeReport> {
  const startedMs = performance.now();
  const startedAtMs = Date.now();
  const url = new URL(target.url);
  const scheme = schemes[url.protocol];
  assert(scheme !== undefined, "the configuration let a URL through that nobody connects to");
  const { port, usesTls } = scheme;
  const found: Found = { resolve: { ms: 0, addresses: [] } };
  const stop = new AbortController();
  const stopListening = once(signal, () => stop.abort());
  if (signal.aborted) stop.abort();
  const stopWaiting = afterDelay(2 * target.timeoutMs, () => stop.abort());
  const endpoint: Endpoint = {
    target,
    host: urlHost(target.url),
    hostHeader: urlHostAndPort(target.url),
    port: url.port === "" ? port : Number(url.port),
    bound: () => ({ timeoutMs: target.timeoutMs, signal: stop.signal }),
    signal: stop.signal,
  };
  try {
    await lookAt(endpoint, usesTls, names, found);
  } finally {
    stopWaiting();
    stopListening();
    stop.abort();
  }
  return { speaks: target.speaks, usesTls, startedAtMs, ms: elapsed(startedMs), ...found };
}

interface Found {
  resolve: ProbeReport["resolve"];
  connect?: ProbeReport["connect"];
  plaintext?: ProbeReport["plaintext"];
  tls?: ProbeReport["tls"];
  inside?: ProbeReport["inside"];
  others?: ProbeReport["others"];
  page?: ProbeReport["page"];
  http2Status?: ProbeReport["http2Status"];
  clock?: ProbeReport["clock"];
}

interface Endpoint {
  readonly target: ProbeTarget;
  readonly host: string;
  readonly hostHeader: string;
  readonly port: number;
  /** Of the step that begins now. */
  readonly bound: () => Bound;
  readonly signal: AbortSignal;
}

async function lookAt(endpoint: Endpoint, usesTls: boolean, names: Names, found: Found): Promise<void> {
  const { target, host, bound } = endpoint;
  found.resolve = await resolve(host, names, bound());
  if (found.resolve.addresses.length === 0) return;
  const { layer, address } = await tryAddresses(endpoint, found.resolve.addresses);
  found.connect = layer;
  if (address === undefined) return;
  const grace = new Grace(endpoint.signal);
  const plain = within(endpoint, grace);
  // What is expected there may take its time, although it is known what else the port speaks: unless that is TLS.
  const patience = new Grace(endpoint.signal);
  const wanted = usesTls ? plain : within(endpoint, patience);
  const tls = usesTls
    ? secured(endpoint, address, askedFor[target.speaks]).then((seen) => {
        // What speaks TLS says about plaintext is of no interest any more.
        if (seen.tls.failure === undefined) grace.end();
        return seen;
      })
    : hello(plain, address, [grace, patience]);
  // Only HTTP/1 tells the time.
  const timed = usesTls && target.speaks === "grpc" ? secured(endpoint, address, "http1") : undefined;
  const [plaintext, seen, second] = await Promise.all([
    inPlaintext(plain, wanted, address, grace),
    tls,
    timed,
  ]);
  grace.end();
  patience.end();
  found.plaintext = plaintext;
  found.tls = seen.tls;
  found.inside = seen.inside;
  found.others = await othersInTls(endpoint, address, seen);
  found.page = seen.inside?.http ?? second?.inside?.http;
  const isRefused = seen.inside?.heard === "http2" && found.page?.status === 400;
  if (seen.tls.asksForCertificate && isRefused) found.http2Status = await statusInTls(endpoint, address);
  const answers = [seen.inside, second?.inside, ...plaintext.answers];
  found.clock = answers.find((answer) => answer?.http?.clock !== undefined)?.http?.clock;
}

function within(endpoint: Endpoint, { signal }: Grace): Endpoint {
  return { ...endpoint, signal, bound: () => ({ ...endpoint.bound(), signal }) };
}

async function tryAddresses(
  { port, bound }: Endpoint,
  addresses: readonly string[],
): Promise<{ readonly layer: ConnectLayer; readonly address: string | undefined }> {
  const startedMs = performance.now();
  const attempts = await Promise.all(
    addresses.slice(0, maxDialled).map(async (address) => {
      const dialled = await dial({ address, port }, bound());
      const failure = typeof dialled === "string" ? dialled : undefined;
      if (typeof dialled !== "string") dialled.destroy();
      return { address, ms: elapsed(startedMs), failure };
    }),
  );
  const address = attempts.find(({ failure }) => failure === undefined)?.address;
  return { layer: { ms: elapsed(startedMs), attempts }, address };
}

/** `wanted`: for the protocol that is expected there. */
async function inPlaintext(
  others: Endpoint,
  wanted: Endpoint,
  address: string,
  grace: Grace,
): Promise<PlaintextLayer> {
  const startedMs = performance.now();
  const answers = await Promise.all(
    allAsked.map(async (asked) => {
      const endpoint = asked === askedFor[others.target.speaks] ? wanted : others;
      const answer = await askOn(
        await dial({ address, port: endpoint.port }, endpoint.bound()),
        asked,
        endpoint,
      );
      if (answer.heard !== undefined && answer.heard !== "tls") grace.begin();
      return answer;
    }),
  );
  return { ms: elapsed(startedMs), answers };
}

async function askOn(dialled: Socket | string, asked: Asked, endpoint: Endpoint): Promise<Answer> {
  if (typeof dialled === "string") {
    return { ms: 0, asked, bytes: 0, end: dialled === "ETIMEDOUT" ? "late" : "cut" };
  }
  return await ask(dialled, { asked, host: endpoint.hostHeader }, endpoint.bound());
}

interface SeenInTls {
  readonly tls: TlsLayer;
  readonly inside?: Answer | undefined;
}

/** The handshake as configured, and one question in it. */
async function secured(endpoint: Endpoint, address: string, asked: Asked): Promise<SeenInTls> {
  const { target, host, port, bound } = endpoint;
  const alpn = { http1: ["http/1.1"], http2: ["h2"], mqtt: [] }[asked];
  const dialled = await dial({ address, port }, bound());
  if (typeof dialled === "string") return { tls: notDialled(target, dialled) };
  const { layer, session } = await shakeHands(dialled, { host, tls: target.tls, alpn }, bound());
  return { tls: layer, inside: session === undefined ? undefined : await askOn(session, asked, endpoint) };
}

/**
 * What it speaks in TLS where it does not speak what is expected. One that wants a certificate says nothing else, and
 * one that waits in silence is no server of another protocol: those hang up.
 */
async function othersInTls(endpoint: Endpoint, address: string, seen: SeenInTls): Promise<Answer[]> {
  const { tls, inside } = seen;
  if (inside === undefined || inside.heard !== undefined || inside.bytes > 0) return [];
  if (inside.end === "late") return [];
  if (tls.asksForCertificate || inside.marks?.openssl !== undefined) return [];
  const others = allAsked.filter((asked) => asked !== inside.asked);
  const all = await Promise.all(others.map((asked) => secured(endpoint, address, asked)));
  return all.flatMap((other) => other.inside ?? []);
}

async function statusInTls(endpoint: Endpoint, address: string): Promise<number | undefined> {
  const { target, host, hostHeader, port, bound } = endpoint;
  const dialled = await dial({ address, port }, bound());
  if (typeof dialled === "string") return undefined;
  const { session } = await shakeHands(dialled, { host, tls: target.tls, alpn: ["h2"] }, bound());
  return session === undefined ? undefined : await statusOverHttp2(session, hostHeader, bound());
}

/** Whether a port that is to speak plaintext speaks TLS. */
async function hello(endpoint: Endpoint, address: string, graces: readonly Grace[]): Promise<SeenInTls> {
  const { target, host, port, bound } = endpoint;
  const dialled = await dial({ address, port }, bound());
  if (typeof dialled === "string") return { tls: notDialled(target, dialled) };
  const options = { host, tls: undefined, alpn: ["h2", "http/1.1"] };
  const { layer, session } = await shakeHands(dialled, options, bound());
  session?.destroy();
  if (layer.failure === undefined) for (const grace of graces) grace.begin();
  return { tls: layer };
}

function notDialled({ tls }: ProbeTarget, code: string): TlsLayer {
  const marks = { code, openssl: undefined, isCutHandshake: false, startsLikeTls: false };
  return {
    ms: 0,
    bytes: 0,
    failure: code === "ETIMEDOUT" ? "late" : { marks },
    chain: [],
    isVerified: false,
    mustVerify: tls.verify,
    asksForCertificate: false,
    hasCertificate: tls.certFile !== undefined,
  };
}

/** Ends the questions that nobody waits for any more. */
class Grace {
  readonly #end = new AbortController();
  readonly #startedMs = performance.now();
  readonly #stopListening: () => void;
  #stopWaiting: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#stopListening = once(signal, () => this.end());
    if (signal.aborted) this.end();
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  begin(): void {
    if (this.signal.aborted) return;
    const tookMs = performance.now() - this.#startedMs;
    this.#stopWaiting ??= afterDelay(Math.max(graceMs, 3 * tookMs), () => this.end());
  }

  end(): void {
    this.#stopWaiting?.();
    this.#stopListening();
    this.#end.abort();
  }
}
