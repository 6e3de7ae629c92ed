/** `[influxdb]`: where points are written, and where questions are asked. */
import type { z } from "zod";
import {
  complain,
  defined,
  durationMs,
  evenIfBroken,
  flag,
  oneOf,
  secret,
  secretFile,
  sizeBytes,
  table,
  text,
  url,
  wholeNumber,
} from "../lib/schema.ts";
import { Secret } from "../lib/secret.ts";
import {
  checkProxy,
  checkTls,
  compileProxy,
  compileTls,
  proxyShape,
  type ProxyConfig,
  tlsShape,
  type TlsConfig,
} from "../net/config.ts";

export interface InfluxConfig {
  /** http:// or https://, perhaps with a path prefix; no slash at its end. */
  readonly url: string;
  readonly database: string;
  readonly token?: Secret;
  readonly writeApi: "auto" | "v3" | "v2";
  /** As InfluxDB reads it ("90d"): the database is created with it. Absent: it must exist. */
  readonly retention?: string;
  readonly writeTimeoutMs: number;
  readonly gzip: boolean;
  /** Batches under way at the same time. */
  readonly maxInFlight: number;
  readonly batchMaxLines: number;
  /** Before compression. */
  readonly batchMaxBytes: number;
  readonly batchMaxAgeMs: number;
  /** Of `flightUrl` too. */
  readonly tls: TlsConfig;
  /** To `flightUrl` too. Absent: connections are made straight to the server. */
  readonly proxy?: ProxyConfig;
  /** Where Arrow Flight is spoken: http:// or https://, without a path. */
  readonly flightUrl: string;
  /** Absent: reading has the same token as writing. */
  readonly queryToken?: Secret;
  readonly queryTimeoutMs: number;
}

const shape = {
  url: url({
    schemes: ["http", "https"],
    pathAllowed: true,
    credentialKeys: "token_file",
    description: "InfluxDB 3: http://host:8181 is plaintext, https:// verifies its certificate",
  }),
  database: text(
    "a database name: 1 to 64 letters, digits, - _ /, the first one a letter or digit",
    /^[A-Za-z0-9][A-Za-z0-9_/-]{0,63}$/,
    "The database to write to",
  ),
  token: secret("Token that may write to the database; token_file keeps it out of this file"),
  token_file: secretFile("A file that holds the token"),
  write_api: oneOf(
    ["auto", "v3", "v2"],
    "auto",
    "auto uses v3 (Core, Enterprise) and falls back to v2 (Clustered, Cloud)",
  ),
  // The units that InfluxDB 3 knows for retention: hours and longer, without spaces.
  retention: text(
    'a retention in h, d, w, mo or y without spaces, such as "90d"',
    /^(?=.*[1-9])(?:\d{1,6}(?:h|d|w|mo|y))+$/,
    "Creates the database with this retention when it does not exist; absent: it must exist",
  ).optional(),
  write_timeout: durationMs({
    fallback: "30s",
    min: "100ms",
    max: "10m",
    description: "How long one write may take before its connection is closed and it is tried again",
  }),
  gzip: flag(true, "Compress what is written"),
  max_in_flight: wholeNumber({
    fallback: 4,
    min: 1,
    max: 64,
    description: "How many batches may be under way at the same time",
  }),
  batch_max_lines: wholeNumber({
    fallback: 5000,
    min: 1,
    max: 100_000,
    description: "A batch is sent when it has this many lines",
  }),
  batch_max_size: sizeBytes({
    min: "1KiB",
    // InfluxDB 3 answers 413 above this.
    max: "10MiB",
    example: "1MiB",
    description: "A batch is sent when it has this many bytes, before compression",
  }).prefault("1MiB"),
  batch_max_age: durationMs({
    fallback: "1s",
    min: "1ms",
    max: "10m",
    description: "A batch is sent when its first line is this old",
  }),
  flight_url: url({
    schemes: ["http", "https"],
    pathAllowed: false,
    credentialKeys: "query_token_file",
    description:
      "Where queries go (Arrow Flight, which is gRPC), where that is another address than url; without a path",
  }).optional(),
  query_token: secret("Token that may read the database, where token may only write"),
  query_token_file: secretFile("A file that holds the token for reading"),
  query_timeout: durationMs({
    fallback: "60s",
    min: "100ms",
    max: "1h",
    description: "How long one query may take, its rows included",
  }),
  ...tlsShape,
  ...proxyShape,
};

export const influxSchema = table(shape)
  .superRefine((influx, context) => {
    checkTls(influx, { secure: "https", plain: "http" }, context, ["url", "flight_url"]);
    checkProxy(influx, context);
    checkToken(influx, context);
    checkToken(influx, context, ["query_token", "query_token_file"]);
  }, evenIfBroken)
  .transform((influx): InfluxConfig =>
    defined({
      url: influx.url,
      database: influx.database,
      token: influx.token ?? influx.token_file,
      writeApi: influx.write_api,
      retention: influx.retention,
      writeTimeoutMs: influx.write_timeout,
      gzip: influx.gzip,
      maxInFlight: influx.max_in_flight,
      batchMaxLines: influx.batch_max_lines,
      batchMaxBytes: influx.batch_max_size,
      batchMaxAgeMs: influx.batch_max_age,
      tls: compileTls(influx),
      proxy: compileProxy(influx, "influxdb"),
      flightUrl: influx.flight_url ?? new URL(influx.url).origin,
      queryToken: influx.query_token ?? influx.query_token_file,
      queryTimeoutMs: influx.query_timeout,
    }),
  );

/** One of the two, and such as fits into a header. Runs on tables that may be wrong already. */
export function checkToken(
  given: Readonly<Record<string, unknown>>,
  context: z.RefinementCtx,
  keys: readonly [text: string, file: string] = ["token", "token_file"],
): void {
  const [text, file] = keys;
  if (given[text] !== undefined && given[file] !== undefined) {
    complain(context, { path: [file], message: `${text} is given too: keep one of the two` });
  }
  for (const key of keys) {
    const token = given[key];
    if (!(token instanceof Secret) || /^[\x21-\x7e]+$/.test(token.reveal())) continue;
    complain(context, {
      path: [key],
      message: "contains a space or a character outside ASCII, which no token has (the value is not shown)",
    });
  }
}
