/**
 * What crosses between the daemon and its streams process. Each message has an id: that of the request, of
 * the ping or of the configuration that it belongs to. Both sides check what arrives by its shape: the other
 * one may be about to die. The end of the channel is no message: the process ends with it, whether the
 * daemon closed it or was killed.
 */
import type { Column, FlightConfig, FlightEnd, FlightQuery } from "../influx/flight/api.ts";
import type { Row, RowOptions } from "../influx/arrow/rows.ts";
import type { ProxyConfig, TlsConfig } from "../net/config.ts";
import {
  type Check,
  every,
  isBoolean,
  isCount,
  isObject,
  isText,
  listOf,
  nothingOr,
  oneOf,
  recordOf,
  shape,
} from "./shape.ts";
import { isPlainFault, type PlainFault } from "./plain-fault.ts";

/** Tokens and passwords are plain text here and nowhere else: no argument, no environment, no log. */
export interface PlainConfig {
  readonly url: string;
  readonly database: string;
  readonly token: string | undefined;
  readonly tls: TlsConfig;
  readonly proxy?: PlainProxy | undefined;
  readonly timeoutMs: number;
}

interface PlainProxy extends Omit<ProxyConfig, "password"> {
  readonly password?: string;
}

/** What of a query can cross: a signal becomes `cancel`, and nothing can call `onRestart` there. */
export interface PlainQuery
  extends
    Omit<FlightQuery, "signal" | "onRestart" | "retry" | "requestId" | "timeoutMs">,
    Pick<RowOptions, "times"> {
  /** The name of a connection of the configuration. */
  readonly connection: string;
  readonly retry?: "before_rows" | "never";
  readonly requestId: string;
  readonly timeoutMs: number;
}

/**
 * How much more rows the process may send of a request, in bytes of whole frames. A row is never cut: the last
 * message may exceed `bytes`, and none is sent when nothing is left.
 */
export interface Credit {
  readonly rows: number;
  readonly bytes: number;
}

/** The largest group: the daemon decodes it in about a millisecond of its event loop, and takes no longer one. */
export const maxGroup: Credit = { rows: 512, bytes: 256 * 1024 };

export type ToProcess =
  /** For the queries that come after it; `id` counts the configurations. */
  | {
      readonly kind: "configure";
      readonly id: number;
      readonly connections: Readonly<Record<string, PlainConfig>>;
    }
  | { readonly kind: "query"; readonly id: number; readonly query: PlainQuery; readonly credit: Credit }
  | { readonly kind: "credit"; readonly id: number; readonly credit: Credit }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "ping"; readonly id: number };

/** What the process says of itself. */
export interface Vitals {
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Of Buffers and other memory outside the heap. */
  readonly externalBytes: number;
  readonly underWay: number;
  /** Messages of the daemon that were broken, or for requests that it does not know. */
  readonly dropped: number;
}

export type FromProcess =
  | { readonly kind: "ready"; readonly id: number }
  | { readonly kind: "columns"; readonly id: number; readonly columns: readonly Column[] }
  /** At most a group of them. */
  | { readonly kind: "rows"; readonly id: number; readonly rows: readonly Row[] }
  | { readonly kind: "end"; readonly id: number; readonly end: FlightEnd }
  /** `isFatal`: the process ends because of this request. */
  | { readonly kind: "fault"; readonly id: number; readonly fault: PlainFault; readonly isFatal: boolean }
  | { readonly kind: "pong"; readonly id: number; readonly vitals: Vitals };

export function plainConfigOf(config: FlightConfig): PlainConfig {
  const { url, database, token, tls, proxy, timeoutMs } = config;
  return { url, database, token: token?.reveal(), tls, proxy: proxy && plainProxyOf(proxy), timeoutMs };
}

function plainProxyOf({ password, ...rest }: ProxyConfig): PlainProxy {
  return password === undefined ? rest : { ...rest, password: password.reveal() };
}

const isCredit = shape({ rows: isCount, bytes: isCount });

const isTls = shape({
  caFile: nothingOr(isText),
  certFile: nothingOr(isText),
  keyFile: nothingOr(isText),
  serverName: nothingOr(isText),
  verify: isBoolean,
});

const isProxy = shape({
  url: isText,
  setting: isText,
  username: nothingOr(isText),
  password: nothingOr(isText),
});

const isConfig = shape({
  url: isText,
  database: isText,
  token: nothingOr(isText),
  tls: isTls,
  proxy: nothingOr(isProxy),
  timeoutMs: isCount,
});

const isParam: Check = (value) =>
  value === null || ["boolean", "number", "bigint", "string"].includes(typeof value);

export const isPlainQuery = shape({
  connection: isText,
  text: isText,
  language: nothingOr(oneOf("sql", "influxql")),
  database: nothingOr(isText),
  params: nothingOr(recordOf(isParam)),
  metadata: nothingOr(recordOf(isText)),
  requestId: isText,
  timeoutMs: isCount,
  silenceMs: nothingOr(isCount),
  maxBytes: nothingOr(isCount),
  retry: nothingOr(oneOf("before_rows", "never")),
  times: nothingOr(oneOf("ns", "iso")),
});

const toProcess: Readonly<Record<ToProcess["kind"], Check>> = {
  configure: shape({ id: isCount, connections: recordOf(isConfig) }),
  query: shape({ id: isCount, query: isPlainQuery, credit: isCredit }),
  credit: shape({ id: isCount, credit: isCredit }),
  cancel: shape({ id: isCount }),
  ping: shape({ id: isCount }),
};

const isColumn = shape({
  name: isText,
  arrowType: isText,
  nullable: isBoolean,
  influx: nothingOr(
    every(shape({ kind: oneOf("timestamp", "tag", "field") }), (value) => {
      return isObject(value) && (value["kind"] === "field") === isFieldType(value["type"]);
    }),
  ),
});

function isFieldType(type: unknown): boolean {
  return oneOf("float", "integer", "uinteger", "string", "boolean")(type);
}

function isGroup(rows: unknown): boolean {
  return Array.isArray(rows) && rows.length <= maxGroup.rows;
}

const isEnd = shape({
  rows: isCount,
  batches: isCount,
  keepAlives: isCount,
  bytes: isCount,
  trailers: recordOf(isText),
  elapsedMs: isCount,
  attempts: isCount,
});

const isVitals = shape({
  rssBytes: isCount,
  heapBytes: isCount,
  externalBytes: isCount,
  underWay: isCount,
  dropped: isCount,
});

const fromProcess: Readonly<Record<FromProcess["kind"], Check>> = {
  ready: shape({ id: isCount }),
  columns: shape({ id: isCount, columns: listOf(isColumn) }),
  rows: shape({ id: isCount, rows: every(isGroup, listOf(isObject)) }),
  end: shape({ id: isCount, end: isEnd }),
  fault: shape({ id: isCount, fault: isPlainFault, isFatal: isBoolean }),
  pong: shape({ id: isCount, vitals: isVitals }),
};

/** Undefined: it is none of those messages. */
export function toProcessOf(value: unknown): ToProcess | undefined {
  return fits(value, toProcess) ? (value as ToProcess) : undefined;
}

/** The id of what was to be a query, and whoever asked it waits. */
export function idOfQuery(value: unknown): number | undefined {
  return shape({ kind: oneOf("query"), id: isCount })(value) ? (value as { id: number }).id : undefined;
}

/** Undefined: it is none of those messages. */
export function fromProcessOf(value: unknown): FromProcess | undefined {
  return fits(value, fromProcess) ? (value as FromProcess) : undefined;
}

function fits(value: unknown, checks: Readonly<Record<string, Check>>): boolean {
  if (!isObject(value)) return false;
  const { kind } = value;
  return typeof kind === "string" && Object.hasOwn(checks, kind) && checks[kind]?.(value) === true;
}
