/** Every gRPC code, and every text that gives one another meaning, as servers and grpc-js 1.14 write them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault, BugError, type Disposition } from "../../../src/lib/fault.ts";
import type { Peer } from "../../../src/net/diagnose.ts";
import type { GrpcPhase } from "../../../src/net/grpc-rows.ts";
import { faultOfStatus, type GrpcContext } from "../../../src/net/grpc-status.ts";

const https: Peer = { target: "flight", url: "https://influx.example:8181" };
const http: Peer = { target: "flight", url: "http://influx.example:8181" };
const context: GrpcContext = { peer: https, phase: "answering", timeoutMs: 60_000 };

type StatusRow = readonly [
  code: number | undefined,
  details: string | undefined,
  fault: string,
  disposition: Disposition,
  words: RegExp,
];

const answers: readonly StatusRow[] = [
  [1, "Call cancelled", "flight_cancelled_by_server", "retry", /cancelled the query: Call cancelled/],
  [2, "", "flight_failed", "retry", /ended the query, and does not say why$/],
  [2, "No module named 'numpy'", "flight_failed", "retry", /8181 ended the query: No module named 'numpy'$/],
  [2, "Received HTTP status code 301", "flight_not_grpc", "fatal", /HTTP 301, not with gRPC/],
  [2, "Received HTTP status code 408", "flight_unavailable", "retry", /a proxy answered HTTP 408/],
  [2, "Received HTTP status code 500", "flight_unavailable", "retry", /a proxy answered HTTP 500/],
  [13, "Received HTTP status code 400", "flight_not_grpc", "fatal", /HTTP 400, not with gRPC/],
  [12, "Received HTTP status code 404", "flight_not_grpc", "fatal", /HTTP 404, not with gRPC/],
  [14, "Received HTTP status code 429", "flight_unavailable", "retry", /a proxy answered HTTP 429/],
  [14, "Received HTTP status code 503", "flight_unavailable", "retry", /a proxy answered HTTP 503/],
  [16, "Received HTTP status code 401", "flight_unauthorized", "fatal", /HTTP 401, unauthorized$/],
  [7, "Received HTTP status code 403", "flight_forbidden", "fatal", /HTTP 403, forbidden$/],
  [
    3,
    'Error while logically planning query: SQL error: ParserError("Expected: end")',
    "flight_query_refused",
    "drop",
    /refused the query: Error while logically planning query: SQL error: ParserError\("Expected: end"\)$/,
  ],
  [3, "Error while planning Flight SQL : x", "flight_query_refused", "drop", /refused the query/],
  [3, "This feature is not implemented: SHOW DATABASES", "flight_query_refused", "drop", /SHOW DATABASES$/],
  [
    3,
    "Error during planning: table 'public.iox.invalid_table' not found",
    "flight_table_missing",
    "drop",
    /a table that is not there: .*invalid_table/,
  ],
  [3, "Invalid ticket. Error: Invalid ticket", "flight_ticket_refused", "drop", /how the query was sent/],
  [3, "no 'database' header in request", "flight_ticket_refused", "drop", /no 'database' header/],
  [
    3,
    "More than one headers are found in request: [database, bucket]. Please include only one of them",
    "flight_ticket_refused",
    "drop",
    /More than one headers/,
  ],
  [
    4,
    "Deadline exceeded after 1.002s,LB pick: 0.001s,remote_addr=::1:1",
    "flight_timeout",
    "retry",
    /within 60 s$/,
  ],
  [
    5,
    "Database 'x' not found",
    "flight_database_missing",
    "fatal",
    /no such database: Database 'x' not found$/,
  ],
  [5, "Database 'two words' not found", "flight_database_missing", "fatal", /two words/],
  [5, "no such thing", "flight_failed", "drop", /not there: no such thing$/],
  [6, "x", "flight_failed", "drop", /there already/],
  [7, "Permission denied", "flight_forbidden", "fatal", /does not let our token .*: Permission denied$/],
  [7, "Protocol not secure enough", "tls_no_common_version", "retry", /no TLS version/],
  [8, "grpc-timeout elapsed", "flight_timeout", "retry", /no answer within 60 s$/],
  [
    8,
    "Received message larger than max (1752460652 vs 67108864)",
    "flight_not_grpc",
    "fatal",
    /"html" stands/,
  ],
  [
    8,
    "Received message larger than max (577073778 vs 67108864)",
    "flight_not_grpc",
    "fatal",
    /""err" stands/,
  ],
  [
    8,
    "Received message larger than max (134217728 vs 67108864)",
    "flight_message_too_big",
    "drop",
    /134217728/,
  ],
  [
    8,
    "Received message that decompresses to a size larger than 67108864",
    "flight_message_too_big",
    "drop",
    /67108864/,
  ],
  [8, "Bandwidth exhausted or memory limit exceeded", "flight_overloaded", "retry", /ENHANCE_YOUR_CALM/],
  [8, "Query would process more than 500 partitions", "flight_query_too_wide", "drop", /500 partitions$/],
  [8, "Query would process more than 1000 parquet files", "flight_query_too_wide", "drop", /1000 parquet/],
  [
    8,
    "Resources exhausted: Failed to allocate additional 1048576 bytes for GroupedHashAggregateStream[0]",
    "flight_server_exhausted",
    "retry",
    /no memory left for the query: Resources exhausted/,
  ],
  [9, "x", "flight_failed", "drop", /state/],
  [10, "x", "flight_failed", "retry", /came in between/],
  [
    11,
    "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes",
    "flight_ticket_refused",
    "drop",
    /longer than .* takes: .*4194304 bytes$/,
  ],
  [11, "x", "flight_failed", "drop", /out of range: x$/],
  [12, "Not yet implemented: get_schema", "flight_unsupported", "fatal", /no such Flight call/],
  [12, "Content is compressed with 'gzip' which isn't supported", "flight_unsupported", "fatal", /gzip/],
  [
    13,
    "Cannot retrieve database: External error: database not found: x",
    "flight_database_missing",
    "fatal",
    /no such database/,
  ],
  [
    13,
    "External error: Query would scan 432 Parquet files, exceeding the file limit. InfluxDB 3 Core caps file access to prevent performance degradation",
    "flight_query_too_wide",
    "drop",
    /432 Parquet files/,
  ],
  [
    13,
    "Received RST_STREAM with code 0 (Call ended without gRPC status)",
    "flight_cut_off",
    "retry",
    /before any answer: no status came$/,
  ],
  [13, "Received RST_STREAM with code 2 (Internal server error)", "flight_cut_off", "retry", /broke off/],
  [
    13,
    "Received RST_STREAM with code 2 triggered by internal client error: Protocol error",
    "flight_cut_off",
    "retry",
    /: HTTP\/2 error 2$/,
  ],
  [13, "Received RST_STREAM with code 1", "flight_cut_off", "retry", /: HTTP\/2 error 1$/],
  [
    13,
    "Failed to start HTTP/2 stream with error The session has been destroyed",
    "flight_cut_off",
    "retry",
    /session/,
  ],
  [13, "Failed to decompress gzip-encoded message", "flight_bad_stream", "drop", /does not unpack/],
  [
    13,
    'Received compressed message but "grpc-encoding" header was identity',
    "flight_bad_stream",
    "drop",
    /does not unpack/,
  ],
  [
    13,
    "Error while execution Flight SQL stream: Join Error: task panicked",
    "flight_engine_failed",
    "retry",
    /panicked$/,
  ],
  [13, "", "flight_engine_failed", "retry", /failed$/],
  [
    14,
    "Connection dropped",
    "flight_cut_off",
    "retry",
    /connection to .* was lost in the middle of a query$/,
  ],
  [14, "read ECONNRESET", "flight_cut_off", "retry", /was lost/],
  [
    14,
    "Stream refused by server",
    "flight_unavailable",
    "retry",
    /cannot answer queries now: Stream refused/,
  ],
  [14, "Authz verification error: x", "flight_unavailable", "retry", /Authz verification error: x$/],
  [14, "shutting down.", "flight_unavailable", "retry", /: shutting down$/],
  [15, "x", "flight_failed", "drop", /lost data/],
  [16, "Unauthenticated", "flight_unauthorized", "fatal", /does not accept our token: Unauthenticated$/],
  [17, "x", "flight_failed", "retry", /code 17, which gRPC does not have: x$/],
  [-1, "", "flight_failed", "retry", /code -1/],
  [undefined, undefined, "flight_bad_stream", "drop", /compressed in a way that is not known/],
];

test("every status says what happened, what to do, and what becomes of the query", () => {
  const codes = new Set<number | undefined>();
  for (const [code, details, faultCode, disposition, words] of answers) {
    const fault = faultOfStatus({ code, details }, context);
    const what = `${code} ${details}: ${fault.code}: ${fault.message}`;
    assert.equal(fault.code, faultCode, what);
    assert.equal(fault.disposition, disposition, what);
    assert.match(fault.message, words);
    assert.ok(fault.hint !== undefined && fault.hint.length > 10, what);
    assert.doesNotMatch(`${fault.message} ${fault.hint}`, /undefined|\.$/, what);
    assert.equal(fault.layer, "flight");
    codes.add(code);
  }
  for (let code = 1; code <= 16; code += 1) assert.ok(codes.has(code), `code ${code} has a row`);
  assert.throws(() => faultOfStatus({ code: 0, details: "" }, context), BugError);
});

/** `X` of "No connection established. Last error: X. Resolution note: ". */
const connections: readonly (readonly [Peer, string, string, RegExp])[] = [
  [
    https,
    "Error: 00A8DE0DBF7F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/x.c:354:\n",
    "tls_server_is_plaintext",
    /http:\/\/ in influxdb\.flight_url \(or influxdb\.url\)/,
  ],
  [
    http,
    "Failed to connect (2026-11-22T17:09:05.464Z)",
    "connection_closed",
    /try https:\/\/ in influxdb\.flight_url/,
  ],
  [http, "Protocol error (2026-11-22T17:09:05.464Z)", "server_not_http2", /grpc_pass/],
  [https, "Error: unable to verify the first certificate", "tls_unknown_ca", /influxdb\.ca_file/],
  [https, "Error: unable to get local issuer certificate", "tls_unknown_ca", /influxdb\.ca_file/],
  [https, "Error: self-signed certificate in certificate chain", "tls_unknown_ca", /influxdb\.ca_file/],
  [https, "Error: self-signed certificate", "tls_self_signed", /influxdb\.ca_file/],
  [
    https,
    "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: localhost. is not in the cert's altnames: DNS:other.example",
    "tls_wrong_name",
    /influxdb\.server_name/,
  ],
  [https, "Error: certificate has expired", "tls_certificate_expired", /timedatectl/],
  [https, "Error: certificate is not yet valid", "tls_certificate_not_yet_valid", /NTP/],
  [
    https,
    "Error: 00A8:error:0A000460:SSL routines:ssl3_read_bytes:tlsv1 alert no application protocol:../x.c:1:SSL alert number 120\n",
    "server_not_http2",
    /gRPC/,
  ],
  [
    https,
    "Error: 00A8:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../x.c:1:SSL alert number 40\n",
    "tls_handshake_refused",
    /influxdb\.cert_file/,
  ],
  [
    https,
    "00A8:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../x.c:1:SSL alert number 116\n (2026-11-22T17:09:05.464Z)",
    "tls_client_certificate_needed",
    /influxdb\.cert_file/,
  ],
  [
    https,
    "Error: 00A8:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../x.c:1:SSL alert number 70\n",
    "tls_no_common_version",
    /TLS 1\.2/,
  ],
  [
    http,
    "Error: connect ECONNREFUSED 127.0.0.1:1",
    "connection_refused",
    /influxdb\.flight_url \(or influxdb\.url\)/,
  ],
  [http, "Error: connect EHOSTUNREACH 192.0.2.1:8181", "host_unreachable", /ip route get/],
  [http, "Error: connect ETIMEDOUT 192.0.2.1:8181", "connect_timeout", /firewall/],
  [https, "Error: read ECONNRESET", "connection_closed", /logs/],
  [
    https,
    "Error: Client network socket disconnected before secure TLS connection was established",
    "tls_handshake_cut",
    /influxdb\.server_name/,
  ],
  [https, "null", "connection_failed", /influxdb\.flight_url/],
];

function notConnected(lastError: string): { code: number; details: string } {
  return { code: 14, details: `No connection established. Last error: ${lastError}. Resolution note: ` };
}

test("a connection that was not made has the same causes as over HTTP, and is tried again", () => {
  for (const [peer, lastError, code, hint] of connections) {
    const fault = faultOfStatus(notConnected(lastError), { ...context, peer, phase: "connecting" });
    assert.equal(fault.code, code, `${lastError}: ${fault.message}`);
    assert.equal(fault.disposition, "retry");
    assert.match(fault.hint ?? "", hint);
    assert.doesNotMatch(fault.message, /undefined|2026/);
  }
  const wrongName = faultOfStatus(notConnected(connections[7]?.[1] ?? ""), context);
  assert.match(wrongName.message, /is for other names: DNS:other\.example$/);
});

test("a name that was not resolved is said to be that", () => {
  const details = "Name resolution failed for target dns:influx.example:8181";
  const fault = faultOfStatus({ code: 14, details }, { ...context, phase: "connecting" });
  assert.equal(fault.code, "name_not_found");
  assert.equal(fault.layer, "network");
  assert.match(fault.message, /the name influx\.example could not be resolved/);
});

test("what this side knows of an attempt counts more than its text, unless that attempt did not reach TCP", () => {
  const known = new Fault({
    code: "tls_file_unreadable",
    layer: "config",
    disposition: "retry",
    message: "ca_file cannot be read",
  });
  const with_ = { ...context, connectionFault: known };
  assert.equal(faultOfStatus(notConnected("Fault: ca_file cannot be read"), with_), known);
  assert.equal(
    faultOfStatus(notConnected("Error: connect ECONNREFUSED 127.0.0.1:1"), with_).code,
    "connection_refused",
  );
  assert.equal(faultOfStatus({ code: 14, details: "Connection dropped" }, with_).code, "flight_cut_off");
});

test("a timeout is one fault, which says how far the query came", () => {
  const rows: readonly (readonly [GrpcPhase, RegExp, RegExp])[] = [
    [
      "connecting",
      /no connection to InfluxDB at https:\/\/influx\.example:8181 came about within 1\.5 s/,
      /port/,
    ],
    ["answering", /took the query and had no answer within 1\.5 s/, /narrower/],
    ["streaming", /the answer of .* did not end within 1\.5 s/, /narrower/],
  ];
  for (const [phase, words, hint] of rows) {
    const fault = faultOfStatus({ code: 4, details: "" }, { ...context, phase, timeoutMs: 1500 });
    assert.equal(fault.code, "flight_timeout");
    assert.match(fault.message, words);
    assert.match(fault.hint ?? "", hint);
  }
});

test("an answer that broke off before anything of it came is not said to have begun", () => {
  const reset = { code: 13, details: "Received RST_STREAM with code 2 (Internal server error)" };
  for (const phase of ["connecting", "answering"] as const) {
    const { code, message, hint } = faultOfStatus(reset, { ...context, phase });
    assert.equal(code, "flight_cut_off");
    assert.match(message, /broke off the query before any answer: HTTP\/2 error 2$/);
    assert.doesNotMatch(`${message} ${hint}`, /so far|rows/);
  }
  const { message, hint } = faultOfStatus(reset, { ...context, phase: "streaming" });
  assert.match(message, /broke off its answer before the end: HTTP\/2 error 2$/);
  assert.match(hint ?? "", /^what came so far is not all; /);
});

test("where no token was sent, none is said to be refused", () => {
  const none = { ...context, withoutToken: true };
  const unknown = faultOfStatus({ code: 16, details: "Unauthenticated" }, none);
  assert.match(unknown.message, /asks for a token, and none is configured: Unauthenticated$/);
  const powerless = faultOfStatus({ code: 7, details: "" }, none);
  assert.match(powerless.message, /does not let anybody read this database without a token$/);
  for (const { hint } of [unknown, powerless]) assert.match(hint ?? "", /^set influxdb\.query_token or /);
  for (const code of [7, 16]) {
    assert.match(faultOfStatus({ code, details: "" }, context).message, /our token/);
  }
});

test("what a server says is shown whole but short, in one line, and without the token", () => {
  const said = (details: string, redact?: GrpcContext["redact"]): string =>
    faultOfStatus({ code: 3, details }, { ...context, ...(redact && { redact }) }).message;
  assert.match(said("no column %23 %3F %3a %2F %2525"), /: no column # \? : \/ %2525$/);
  assert.match(said("50% of %zz"), /: 50% of %zz$/);
  assert.match(said("a\nb\u0000c\u001b[31md\u202ee"), /: a b c \[31md e$/);
  const long = said(`${"x".repeat(298)}\u{1f600}${"y".repeat(2000)}`);
  assert.match(long, /: x{298}…$/);
  const redact = (text: string): string => text.replaceAll("apiv3_token", "[secret]");
  const echoed = said(`${"x".repeat(292)} apiv3_token`, redact);
  assert.match(echoed, /x \[secre…$/);
  assert.doesNotMatch(echoed, /apiv3/);
});

test("a text without end costs no more than it is long", () => {
  const texts = [". ".repeat(100_000) + "x", "database '".repeat(50_000), "\n".repeat(300_000)];
  for (const details of texts) {
    for (const code of [5, 13]) {
      const { message } = faultOfStatus({ code, details }, context);
      assert.ok(message.length < 500, `${message.length} characters`);
    }
  }
  const { message } = faultOfStatus({ code: 13, details: "it broke. . ." }, context);
  assert.match(message, /: it broke$/);
});
