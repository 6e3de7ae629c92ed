import { isIPv6, Socket } from "node:net";
import { afterDelay, once } from "../lib/abort.ts";
import { Fault } from "../lib/fault.ts";
import type { ProxyConfig } from "./config.ts";
import { diagnose } from "./diagnose.ts";

/**
 * Connections through an HTTP proxy: CONNECT (RFC 9110 §9.3.6), after which the socket leads to the server as if
 * it had been connected there.
 *
 * - The proxy is told host and port, and the user name and password for itself: nothing of InfluxDB or of a
 *   broker, above all no token, goes out before the tunnel is there.
 * - One deadline over the connection and the proxy's answer; no more than `maxHeadBytes` of that are read.
 * - What the server sends first may come with the proxy's answer: it is left in the socket.
 * - When no tunnel comes, the socket is destroyed and the reason is a `Fault`: proxy_unreachable,
 *   proxy_unauthorized, proxy_refused, proxy_target_unreachable or proxy_bad_answer. Nothing that the proxy said
 *   but its status is quoted.
 */

interface TunnelOptions {
  /** From here to the proxy's answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Address {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const maxHeadBytes = 16 * 1024;

/** A socket to `host`:`port` through the proxy. Rejects with a `Fault`, or with the signal's reason. */
export async function connectThrough(
  proxy: ProxyConfig,
  host: string,
  port: number,
  { timeoutMs, signal }: TunnelOptions,
): Promise<Socket> {
  signal.throwIfAborted();
  const deadlineMs = performance.now() + timeoutMs;
  const socket = new Socket();
  const late = proxyUnreachable(proxy, "connect_timeout");
  const connected = settled(socket, { timeoutMs, signal, late }, (resolve, reject) => ({
    connect: resolve,
    error: (error) =>
      reject(proxyUnreachable(proxy, diagnose(error, { target: "write", url: proxy.url }).code)),
  }));
  socket.connect(proxyAddress(proxy));
  await connected;
  await openTunnel(socket, proxy, authorityOf({ host, port }), {
    timeoutMs: deadlineMs - performance.now(),
    signal,
  });
  return socket;
}

/** Where the proxy listens. */
export function proxyAddress({ url }: ProxyConfig): Address {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
}

/** "host:port", and IPv6 in brackets. */
export function authorityOf({ host, port }: Address): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Asks the proxy at the other end of `socket` for a tunnel to `authority` (`authorityOf`). */
export async function openTunnel(
  socket: Socket,
  proxy: ProxyConfig,
  authority: string,
  { timeoutMs, signal }: TunnelOptions,
): Promise<void> {
  const late = proxySilent(proxy);
  let head = Buffer.alloc(0);
  let end = -1;
  const opened = settled(socket, { timeoutMs, signal, late }, (resolve, reject) => {
    const closed = (): void => reject(badAnswer(proxy, "closed the connection in place of an answer"));
    function readable(): void {
      while (end === -1) {
        const chunk: unknown = socket.read();
        if (!(chunk instanceof Buffer)) return;
        head = Buffer.concat([head, chunk]);
        end = head.indexOf(endOfHead);
        if (end !== -1 || head.length > maxHeadBytes || !mayBeHttp(head)) {
          const fault = faultOfHead(head, end, proxy, authority) ?? faultOfPage(head, end, proxy);
          if (fault === undefined) resolve();
          else reject(fault);
          return;
        }
      }
    }
    return { readable, error: closed, end: closed, close: closed };
  });
  socket.setNoDelay(true);
  socket.write(request(proxy, authority));
  await opened;
  const rest = head.subarray(end + endOfHead.length);
  if (rest.length > 0) socket.unshift(rest);
}

type Listeners = Readonly<
  Partial<Record<"connect" | "readable" | "end" | "close" | "error", (error: Error) => void>>
>;

interface SettledOptions extends TunnelOptions {
  /** Of the deadline. */
  readonly late: Fault;
}

/** Listens to the socket until one of the listeners settles it; when that fails, the socket is destroyed. */
async function settled(
  socket: Socket,
  { timeoutMs, signal, late }: SettledOptions,
  listenersOf: (resolve: () => void, reject: (reason: unknown) => void) => Listeners,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const listeners = Object.entries(listenersOf(resolve, reject));
  for (const [event, listener] of listeners) socket.on(event, listener);
  const forgetDeadline = afterDelay(timeoutMs, () => reject(late));
  const stopListening = once(signal, () => reject(signal.reason));
  try {
    await promise;
    signal.throwIfAborted();
  } catch (error) {
    // What else happens to it concerns nobody.
    socket.on("error", () => {}).destroy();
    throw error;
  } finally {
    forgetDeadline();
    stopListening();
    for (const [event, listener] of listeners) socket.off(event, listener);
  }
}

const endOfHead = "\r\n\r\n";

function request({ username, password }: ProxyConfig, authority: string): string {
  const pair = username === undefined ? undefined : `${username}:${password?.reveal() ?? ""}`;
  const authorization =
    pair === undefined ? [] : [`Proxy-Authorization: Basic ${Buffer.from(pair).toString("base64")}`];
  return [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`, ...authorization, "", ""].join("\r\n");
}

/** As far as it has come. */
function mayBeHttp(head: Buffer): boolean {
  return "HTTP/1.".startsWith(head.toString("latin1", 0, 7));
}

/** Undefined: there is a tunnel. */
function faultOfHead(head: Buffer, end: number, proxy: ProxyConfig, authority: string): Fault | undefined {
  if (head[0] === 0x15 && head[1] === 0x03) return badAnswer(proxy, "speaks TLS on this port");
  if (!mayBeHttp(head)) return badAnswer(proxy, "does not answer in HTTP/1.1");
  if (end === -1 || end > maxHeadBytes)
    return badAnswer(proxy, `sent more than ${maxHeadBytes} bytes of headers`);
  const status = Number(/^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head.toString("latin1", 0, 16))?.[1]);
  if (status >= 200 && status < 300) return undefined;
  if (status === 407) return unauthorized(proxy);
  if (status === 502 || status === 503 || status === 504) return targetUnreachable(proxy, authority, status);
  if (status >= 400 && status < 600) return refused(proxy, authority, status);
  return badAnswer(proxy, Number.isNaN(status) ? "does not answer in HTTP/1.1" : `answered HTTP ${status}`);
}

/**
 * A web server takes CONNECT for a page: 200, and then that page. A tunnel has no content (RFC 9110 §9.3.6), and none
 * of the servers behind it begins like one.
 */
function faultOfPage(head: Buffer, end: number, proxy: ProxyConfig): Fault | undefined {
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head.toString("latin1", 0, end))?.[1] ?? "0";
  const first = head.toString("latin1", end + endOfHead.length, end + endOfHead.length + 16);
  // Plain, in chunks, and one more answer.
  const isPage = /^(?:\s*<|[0-9a-f]{1,8}\r\n|HTTP\/1\.)/i.test(first);
  if (Number(length) === 0 && !isPage) return undefined;
  return badAnswer(proxy, "answered CONNECT with a page in place of a tunnel");
}

function name({ url }: ProxyConfig): string {
  return `the proxy ${new URL(url).origin}`;
}

/** What the codes of a connection that did not come about mean for a proxy. */
const reasons: Readonly<
  Record<string, { readonly why: string; readonly hint: (setting: string) => string }>
> = {
  connection_refused: {
    why: "the machine answers, but nothing listens on that port",
    hint: (setting) => `see that the proxy runs and that host and port in ${setting} are right`,
  },
  connect_timeout: {
    why: "it did not answer in time",
    hint: (setting) =>
      `a firewall that drops packets looks like this: see that the port in ${setting} is open from here`,
  },
  host_unreachable: {
    why: "there is no way to that host",
    hint: (setting) => `see the uplink of this machine, and the address in ${setting}`,
  },
  name_not_found: {
    why: "its name could not be resolved",
    hint: (setting) => `correct the host in ${setting}, or see that this machine is online`,
  },
  name_lookup_failed: {
    why: "no DNS server answers",
    hint: () => "see that the machine is online and what /etc/resolv.conf names as DNS server",
  },
};

/** Whether a connection that failed with this code may have failed before it was there. */
export function isBeforeConnection(code: string): boolean {
  return Object.hasOwn(reasons, code);
}

/** `code`: what `diagnose` calls it. */
export function proxyUnreachable(proxy: ProxyConfig, code: string): Fault {
  const { why, hint } = reasons[code] ?? {
    why: "the connection to it failed",
    hint: (setting: string) => `see that the proxy runs and that ${setting} is right`,
  };
  return new Fault({
    code: "proxy_unreachable",
    layer: "network",
    disposition: "retry",
    message: `${name(proxy)} cannot be reached: ${why}`,
    hint: hint(proxy.setting),
  });
}

/** The proxy took the connection. */
export function proxySilent(proxy: ProxyConfig): Fault {
  return badAnswer(proxy, "gave no answer to CONNECT in time");
}

function badAnswer(proxy: ProxyConfig, what: string): Fault {
  return new Fault({
    code: "proxy_bad_answer",
    layer: "network",
    disposition: "retry",
    message: `${name(proxy)} ${what}`,
    hint: `see that an HTTP proxy listens at ${proxy.setting}, in plaintext, and that it allows CONNECT`,
  });
}

function unauthorized(proxy: ProxyConfig): Fault {
  const isNew = proxy.username === undefined;
  return new Fault({
    code: "proxy_unauthorized",
    layer: "config",
    disposition: "retry",
    message: `${name(proxy)} ${isNew ? "wants a user name and a password" : "does not accept the user name and password"} (HTTP 407)`,
    hint: isNew
      ? `set ${proxy.setting}_username and ${proxy.setting}_password_file`
      : `check ${proxy.setting}_username and ${proxy.setting}_password_file; only Basic authentication is spoken`,
  });
}

function refused(proxy: ProxyConfig, authority: string, status: number): Fault {
  return new Fault({
    code: "proxy_refused",
    layer: "config",
    disposition: "retry",
    message: `${name(proxy)} refuses to connect to ${authority} (HTTP ${status})`,
    hint: `allow CONNECT to ${authority} in its rules, for many allow port 443 only, or correct ${proxy.setting}`,
  });
}

function targetUnreachable(proxy: ProxyConfig, authority: string, status: number): Fault {
  return new Fault({
    code: "proxy_target_unreachable",
    layer: "network",
    disposition: "retry",
    message: `${name(proxy)} cannot reach ${authority} (HTTP ${status})`,
    hint: `see that this host and port are right and can be reached from there; where no proxy is needed, remove ${proxy.setting}`,
  });
}
