import type { Disposition } from "../lib/fault.ts";
import type { PeerWords } from "./causes.ts";

/**
 * The table behind `faultOfStatus`: for each gRPC code the texts that give it another meaning, as InfluxDB 3, tonic
 * and grpc-js 1.14 write them, and last what the code means without them.
 */

/** How far a call came: until it is on a connection, until the first message, after it. */
export type GrpcPhase = "connecting" | "answering" | "streaming";

interface StatusWords extends PeerWords {
  /** The details in one line; "" when there are none. */
  readonly said: string;
  /** Of the row's pattern. */
  readonly match: readonly string[];
  readonly phase: GrpcPhase;
  /** "within 60 s" */
  readonly within: string;
  /** None was sent. */
  readonly withoutToken: boolean;
}

export interface Row {
  /** Absent: any text. */
  readonly when?: { exec(text: string): readonly string[] | null };
  readonly code: string;
  readonly disposition: Disposition;
  readonly sentence: (words: StatusWords) => string;
  readonly hint: (words: StatusWords) => string;
}

const quoted = ({ said }: StatusWords): string => (said === "" ? "" : `: ${said}`);

const timeout: Row = {
  code: "flight_timeout",
  disposition: "retry",
  sentence: ({ name, phase, within }) =>
    ({
      connecting: `no connection to ${name} came about ${within}`,
      answering: `${name} took the query and had no answer ${within}`,
      streaming: `the answer of ${name} did not end ${within}`,
    })[phase],
  hint: ({ phase, urlSetting }) =>
    phase === "connecting"
      ? `a firewall that drops packets looks like this, and a port that is not InfluxDB's: see that host and port in ${urlSetting} are right and open from here`
      : "ask for a narrower time range or raise the timeout; when small queries are slow too, see how busy InfluxDB is",
};

const unavailable: Row = {
  code: "flight_unavailable",
  disposition: "retry",
  sentence: (words) => `${words.name} cannot answer queries now${quoted(words)}`,
  hint: () => "a restart of the server looks like this; when it goes on, look into its log",
};

const cutOff: Row = {
  code: "flight_cut_off",
  disposition: "retry",
  sentence: (words) => {
    const what = words.phase === "streaming" ? "its answer before the end" : "the query before any answer";
    return `${words.name} broke off ${what}${quoted(words)}`;
  },
  hint: ({ phase }) =>
    `${phase === "streaming" ? "what came so far is not all; " : ""}a restart of the server or a proxy with an idle timeout does this: when it goes on, look into their logs`,
};

/** grpc-js has words of its own for each code of HTTP/2 (RFC 9113 §7). */
const reset: Row = {
  ...cutOff,
  when: /^Received RST_STREAM with code (\d+)/,
  sentence: (words) => {
    const code = words.match[1];
    return cutOff.sentence({ ...words, said: code === "0" ? "no status came" : `HTTP/2 error ${code}` });
  },
};

const connectionLost: Row = {
  ...cutOff,
  when: /^Connection dropped$|\bE(?:CONNRESET|TIMEDOUT|PIPE)\b/,
  sentence: ({ name }) => `the connection to ${name} was lost in the middle of a query`,
};

const notGrpc: Row = {
  code: "flight_not_grpc",
  disposition: "fatal",
  sentence: (words) => `${words.name} did not answer as a Flight server${quoted(words)}`,
  hint: ({ urlSetting }) =>
    `let the proxy in between pass on gRPC (nginx: grpc_pass; an Ingress: backend-protocol "GRPC"), or name InfluxDB's own port in ${urlSetting}`,
};

const httpStatus = (status: string): RegExp => new RegExp(`^Received HTTP status code (${status})$`);

const unauthorized: Row = {
  code: "flight_unauthorized",
  disposition: "fatal",
  sentence: (words) =>
    `${words.name} ${words.withoutToken ? "asks for a token, and none is configured" : "does not accept our token"}${quoted(words)}`,
  hint: () =>
    "set influxdb.query_token or influxdb.token to a token of this server; influxdb3 create token --admin makes one",
};

const forbidden: Row = {
  code: "flight_forbidden",
  disposition: "fatal",
  sentence: (words) => {
    const what = words.withoutToken
      ? "anybody read this database without a token"
      : "our token read this database";
    return `${words.name} does not let ${what}${quoted(words)}`;
  },
  hint: ({ withoutToken }) =>
    withoutToken
      ? "set influxdb.query_token or influxdb.token to one that may read the database"
      : "give that token read permission for the database, or name one that has it in influxdb.query_token",
};

const databaseMissing: Row = {
  when: /\bdatabase (?:(['"]).{0,200}?\1 )?not found\b/i,
  code: "flight_database_missing",
  disposition: "fatal",
  sentence: (words) => `${words.name} has no such database${quoted(words)}`,
  hint: () =>
    "correct influxdb.database, or the database that the query names; the first write creates a database on Core and Enterprise",
};

const tooWide: Row = {
  when: /exceeding the file limit|would process more than \d+ (?:partitions|parquet files)/i,
  code: "flight_query_too_wide",
  disposition: "drop",
  sentence: (words) => `the query touches more files than ${words.name} reads for one${quoted(words)}`,
  hint: () => "ask for a narrower time range: WHERE time >= now() - INTERVAL '1 day'",
};

const tooLong: Row = {
  when: /decoded message length too large|message (?:length )?too large: found \d+/i,
  code: "flight_ticket_refused",
  disposition: "drop",
  sentence: (words) => `the query is longer than ${words.name} takes${quoted(words)}`,
  hint: () => "write a shorter query; long lists belong into a table that is joined",
};

/** Whatever the code, for grpc-js makes a code out of what a proxy answered in HTTP. */
export const anyCode: readonly Row[] = [
  {
    ...unavailable,
    when: httpStatus("504"),
    sentence: ({ name }) => `a proxy answered HTTP 504 in place of ${name}: it waited for InfluxDB in vain`,
    hint: () =>
      "InfluxDB says nothing while it plans a query: give it longer in the proxy (nginx: grpc_read_timeout; AWS: the idle timeout), or ask for a narrower time range; when small queries fail too, see that InfluxDB runs",
  },
  {
    ...unavailable,
    when: httpStatus(String.raw`408|425|429|5\d\d`),
    sentence: ({ name, match }) => `a proxy answered HTTP ${match[1]} in place of ${name}`,
    hint: ({ urlSetting }) =>
      `see that InfluxDB runs behind that proxy and that it passes on gRPC, or name InfluxDB's own port in ${urlSetting}`,
  },
  {
    ...unauthorized,
    when: httpStatus("401"),
    sentence: ({ name }) => `${name} answered HTTP 401, unauthorized`,
  },
  { ...forbidden, when: httpStatus("403"), sentence: ({ name }) => `${name} answered HTTP 403, forbidden` },
  {
    ...notGrpc,
    when: httpStatus("464"),
    sentence: ({ name }) =>
      `a load balancer of AWS answered HTTP 464 in place of ${name}: it passes on another protocol`,
    hint: () =>
      "set the protocol version of the target group behind /arrow.flight.protocol.FlightService to GRPC",
  },
  {
    ...notGrpc,
    when: httpStatus("400"),
    sentence: ({ name }) => `${name} answered a query with HTTP 400, not with gRPC`,
    hint: (words) =>
      `nginx also answers so when it wants a client certificate (${words.table}.cert_file); otherwise ${notGrpc.hint(words)}`,
  },
  {
    ...notGrpc,
    when: httpStatus(String.raw`\d+`),
    sentence: ({ name, match }) => `${name} answered a query with HTTP ${match[1]}, not with gRPC`,
  },
];

/** A status without a code: grpc-js gives it when it does not know how the answer is compressed. */
export const brokenStatus: Row = {
  code: "flight_bad_stream",
  disposition: "drop",
  sentence: ({ name }) => `the answer of ${name} is compressed in a way that is not known here`,
  hint: () => "turn off the compression of gRPC on the server or the proxy in between, or let it use gzip",
};

/** What a person has to look at, and what comes back by itself. */
function failed(disposition: Disposition, why?: string): Row {
  return {
    code: "flight_failed",
    disposition,
    sentence: (words) =>
      `${words.name} ended the query${why === undefined ? "" : `, ${why}`}${quoted(words)}`,
    hint: () => "look into the server's log at this time",
  };
}

/**
 * HTML or JSON with HTTP status 200: grpc-js takes its second to fifth byte for the length of a message. 1752460652 is
 * "html".
 */
const textAsLength = {
  exec(text: string): readonly string[] | null {
    const length = /^Received message larger than max \((\d+) /.exec(text)?.[1];
    if (length === undefined) return null;
    const bytes = Buffer.from(BigInt(length).toString(16).padStart(8, "0"), "hex").toString("latin1");
    return /^[\t\n\r -~]{4}$/.test(bytes) ? [bytes.replaceAll(/\s/g, " ")] : null;
  },
};

const messageTooBig: readonly Row[] = [
  {
    ...notGrpc,
    when: textAsLength,
    sentence: ({ name, match }) =>
      `${name} did not answer in gRPC but with text ("${match[0]}" stands where a length belongs): that was a web server or a proxy`,
  },
  {
    when: /^Received message (?:larger than max|that decompresses to a size larger than)/,
    code: "flight_message_too_big",
    disposition: "drop",
    sentence: ({ name, said }) => `${name} sent more in one message than is read at once: ${said}`,
    hint: () =>
      "ask for fewer columns or shorter texts: InfluxDB cuts its answer into messages of 2 MiB, but never a row",
  },
];

const rows: Readonly<Record<number, readonly Row[]>> = {
  1: [
    {
      code: "flight_cancelled_by_server",
      disposition: "retry",
      sentence: (words) => `${words.name} cancelled the query${quoted(words)}`,
      hint: () => "a proxy with a limit on time does this, and a server that leaves: look into their logs",
    },
  ],
  // PyArrow's servers send what nobody caught with this code, and its words.
  2: [{ ...failed("retry", "and does not say why"), when: /^\s*$/ }, failed("retry")],
  3: [
    tooLong,
    {
      when: /^Invalid ticket|'database' header|More than one headers/,
      code: "flight_ticket_refused",
      disposition: "drop",
      sentence: (words) => `${words.name} does not understand how the query was sent${quoted(words)}`,
      hint: () => "see that the server is an InfluxDB 3 and that no proxy changes requests; else report this",
    },
    {
      when: /\btable '[^']*' not found/i,
      code: "flight_table_missing",
      disposition: "drop",
      sentence: (words) => `the query names a table that is not there: ${words.said}`,
      hint: () =>
        "correct its name (flightline query --tables lists them); a table appears with its first point",
    },
    {
      code: "flight_query_refused",
      disposition: "drop",
      sentence: (words) => `${words.name} refused the query${quoted(words)}`,
      hint: () => "correct the query: the same text gets the same answer",
    },
  ],
  4: [timeout],
  5: [databaseMissing, failed("drop", "for something is not there")],
  6: [failed("drop", "for something is there already")],
  7: [forbidden],
  8: [
    { ...timeout, when: /^grpc-timeout elapsed$/ },
    ...messageTooBig,
    tooWide,
    tooLong,
    {
      when: /^Bandwidth exhausted or memory limit exceeded$/,
      code: "flight_overloaded",
      disposition: "retry",
      sentence: ({ name }) => `${name} asks for fewer requests (HTTP/2 ENHANCE_YOUR_CALM)`,
      hint: () => "ask less often; a proxy in between may have such a limit too",
    },
    {
      code: "flight_server_exhausted",
      disposition: "retry",
      sentence: (words) => `${words.name} has no memory left for the query${quoted(words)}`,
      hint: () =>
        "ask for a narrower time range or fewer columns, or give the server more (--exec-mem-pool-bytes)",
    },
  ],
  9: [failed("drop", "for its state does not allow it")],
  10: [failed("retry", "for something else came in between")],
  11: [tooLong, failed("drop", "for something is out of range")],
  12: [
    {
      code: "flight_unsupported",
      disposition: "fatal",
      sentence: (words) => `what answers for ${words.name} has no such Flight call${quoted(words)}`,
      hint: ({ urlSetting }) => `see that ${urlSetting} names an InfluxDB 3; older ones have no Arrow Flight`,
    },
  ],
  13: [
    databaseMissing,
    tooWide,
    connectionLost,
    reset,
    { ...cutOff, when: /^Failed to start HTTP\/2 stream/ },
    {
      when: /^Failed to decompress|^Received compressed message but/,
      code: "flight_bad_stream",
      disposition: "drop",
      sentence: ({ name, said }) => `a compressed message of ${name} does not unpack: ${said}`,
      hint: () => "turn off the compression of gRPC on the server or the proxy in between",
    },
    {
      code: "flight_engine_failed",
      disposition: "retry",
      sentence: (words) => `the query engine of ${words.name} failed${quoted(words)}`,
      hint: () => "look into the server's log at this time; a simpler query may get around it",
    },
  ],
  14: [connectionLost, unavailable],
  15: [failed("drop", "for it lost data that it needs")],
  16: [unauthorized],
};

/** The last one has no pattern. */
export function rowsOfCode(code: number): readonly Row[] {
  return rows[code] ?? [failed("retry", `with code ${code}, which gRPC does not have`)];
}
