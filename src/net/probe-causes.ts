import { causes, type Cause } from "./causes.ts";

/** What only a probe can tell, in addition to causes.ts. */

const isMqtt: Cause = {
  code: "server_is_mqtt",
  layer: "config",
  sentence: ({ name }) => `what answers for ${name} is an MQTT broker`,
  hint: ({ urlSetting }) =>
    `correct host and port in ${urlSetting}: InfluxDB 3 listens on 8181 unless told otherwise; brokers belong into mqtt.url`,
};

const isHttp: Cause = {
  code: "server_is_http",
  layer: "config",
  sentence: ({ name }, detail) => `what answers for ${name} is an HTTP server and no MQTT broker (${detail})`,
  hint: ({ urlSetting }) =>
    `correct the port in ${urlSetting}: brokers listen on 1883, and on 8883 for TLS, unless told otherwise`,
};

const notMqtt: Cause = {
  code: "server_not_mqtt",
  layer: "config",
  sentence: ({ name }, detail) => `what answers for ${name} does not speak MQTT (${detail})`,
  hint: isHttp.hint,
};

const http1Only: Cause = {
  code: "http1_only",
  layer: "config",
  sentence: ({ name }, detail) => `${name} speaks HTTP/1.1 only, and Arrow Flight needs HTTP/2 (${detail})`,
  hint: ({ urlSetting }) =>
    `name InfluxDB's own port in ${urlSetting}, or let the proxy in between pass on gRPC (nginx: http2 on, grpc_pass)`,
};

const http2Only: Cause = {
  code: "http2_only",
  layer: "config",
  sentence: ({ name }) => `${name} speaks HTTP/2 only, and writing needs HTTP/1.1`,
  hint: ({ urlSetting }) =>
    `name InfluxDB's own port in ${urlSetting}, which speaks both; a port for gRPC alone is for influxdb.flight_url`,
};

const noAlpnH2: Cause = {
  code: "tls_no_alpn_h2",
  layer: "config",
  sentence: ({ name }, detail) =>
    `${name} does not choose HTTP/2 in the TLS handshake (ALPN: ${detail}), and Arrow Flight needs it`,
  hint: ({ urlSetting }) =>
    `turn on HTTP/2 where TLS ends (nginx: http2 on, grpc_pass), or name InfluxDB's own port in ${urlSetting}`,
};

const captivePortal: Cause = {
  code: "captive_portal",
  layer: "network",
  sentence: ({ name }, detail) =>
    `the network answers in place of ${name} with a page of its own (${detail})`,
  hint: () => "log in to this network as its page says, or have this machine exempted from that",
};

const redirects: Cause = {
  code: "server_redirects",
  layer: "config",
  sentence: ({ name }, detail) => `${name} sends requests elsewhere (${detail})`,
  hint: ({ urlSetting }) =>
    `put the address that it names into ${urlSetting}, as far as host and port, or name InfluxDB's own port`,
};

const webPage: Cause = {
  code: "server_is_web_page",
  layer: "config",
  sentence: ({ name }, detail) => `${name} answers with a web page and is not InfluxDB (${detail})`,
  hint: ({ urlSetting }) =>
    `correct host and port in ${urlSetting}: InfluxDB 3 listens on 8181 unless told otherwise`,
};

const badGateway: Cause = {
  code: "proxy_without_server",
  layer: "peer",
  sentence: ({ name }, detail) =>
    `a proxy answers for ${name} and does not reach InfluxDB itself (${detail})`,
  hint: ({ urlSetting }) =>
    `see that InfluxDB runs behind that proxy, or name InfluxDB's own port in ${urlSetting}`,
};

const hangsUp: Cause = {
  code: "server_hangs_up",
  layer: "peer",
  sentence: ({ name }) => `${name} accepts connections and closes them without a word, in every protocol`,
  hint: ({ usesTls, table }) =>
    `a proxy whose server is down does this, a container with a published port where nothing listens, a list of allowed addresses that this machine is not on, and a gateway with TLS that has no certificate for the name it is asked for (${usesTls ? `${table}.server_name` : "the host of the URL"})`,
};

const silent: Cause = {
  code: "server_silent",
  layer: "peer",
  sentence: ({ name }) => `${name} accepts connections and says nothing, in any protocol`,
  hint: () =>
    "a server that hangs looks like this (restart it), and a firewall that lets connections open but passes no data",
};

const hangsUpInTls: Cause = {
  ...hangsUp,
  sentence: ({ name }) => `${name} completes the TLS handshake and then closes the connection without a word`,
  hint: ({ urlSetting }) =>
    `what ends TLS there does not reach the server behind it, or is not for this: see its log, and the port in ${urlSetting}`,
};

const silentInTls: Cause = {
  ...silent,
  sentence: ({ name }) => `${name} completes the TLS handshake and then says nothing`,
  hint: ({ urlSetting }) =>
    `a server that hangs behind what ends TLS looks like this (restart it), and a wrong port in ${urlSetting}`,
};

const slow: Cause = {
  code: "server_too_slow",
  layer: "network",
  sentence: ({ name }, detail) => `${name} answers too slowly to connect: ${detail}`,
  hint: ({ host }) => `see the uplink of this machine (ping ${host}) and what else uses it`,
};

const clockBehind: Cause = {
  code: "clock_behind",
  layer: "host",
  sentence: ({ name }, detail) =>
    `the clock of this machine is ${detail} behind that of ${name}, whose certificate is not valid yet by ours: one of the two is wrong`,
  hint: () =>
    "see which (timedatectl on both), set it and see that NTP works there: a gateway without a battery clock needs it",
};

const clockAhead: Cause = {
  code: "clock_ahead",
  layer: "host",
  sentence: ({ name }, detail) =>
    `the clock of this machine is ${detail} ahead of that of ${name}, whose certificate has expired by ours: one of the two is wrong`,
  hint: () =>
    "see which (timedatectl on both), set it and see that NTP works there; if it is the server's, renew its certificate too",
};

const missingIntermediate: Cause = {
  code: "tls_missing_intermediate",
  layer: "peer",
  sentence: ({ name }, detail) =>
    `${name} sends its certificate without that of the authority in between: ${detail}`,
  hint: ({ table }) =>
    `let the server send the whole chain (fullchain.pem, not cert.pem); until then, that authority's certificate in ${table}.ca_file helps too`,
};

const unknownIssuer: Cause = {
  ...causes.unknownCa,
  sentence: ({ name }, detail) =>
    `the certificate of ${name} was issued by an authority that is not trusted here: ${detail}`,
};

/** Nothing in a certificate tells a public authority from a private one. */
const unknownOrUnsent: Cause = {
  ...unknownIssuer,
  hint: ({ table }) =>
    `if it is an authority of your own, name its certificate in ${table}.ca_file; if it is a public one, let the server send the whole chain (fullchain.pem, not cert.pem)`,
};

const otherKey: Cause = {
  ...causes.unknownCa,
  sentence: ({ name }, detail) =>
    `the certificate of ${name} was issued by ${detail}, and the authority of that name in the file of trusted ones has another key`,
  hint: ({ table }) =>
    `the authority was made anew: put its present certificate into ${table}.ca_file, beside the old one where that is still in use`,
};

export const probeCauses = {
  badGateway,
  captivePortal,
  clockAhead,
  clockBehind,
  hangsUp,
  hangsUpInTls,
  http1Only,
  http2Only,
  isHttp,
  isMqtt,
  missingIntermediate,
  noAlpnH2,
  notMqtt,
  otherKey,
  redirects,
  silent,
  silentInTls,
  slow,
  unknownIssuer,
  unknownOrUnsent,
  webPage,
} as const;
