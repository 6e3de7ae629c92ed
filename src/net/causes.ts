import type { Layer } from "../lib/fault.ts";

/**
 * The table behind `diagnose`: what each code of Node.js and of OpenSSL means to an operator. OpenSSL
 * numbers are `0A` (the SSL library) and the reason; reasons from 0x3E8 on are TLS alerts (RFC 8446
 * §6.2) that the peer sent, 0x3E8 + alert number.
 */

/** What a cause may say about the peer: how to name it, and which settings lead to it. */
export interface PeerWords {
  /** "InfluxDB at https://host:8181" */
  readonly name: string;
  /** Where the address is configured: "influxdb.url". */
  readonly urlSetting: string;
  /** In front of ca_file, cert_file, key_file, server_name: "influxdb". */
  readonly table: string;
  /** "http" */
  readonly scheme: string;
  /** The scheme of the same protocol without TLS: "http", "mqtt", "ws". */
  readonly plainScheme: string;
  /** The scheme of the same protocol in TLS: "https", "mqtts", "wss". */
  readonly tlsScheme: string;
  readonly usesTls: boolean;
  readonly host: string;
}

export interface Cause {
  readonly code: string;
  /** "peer": the layer of whoever we talked to. */
  readonly layer: Layer | "peer";
  readonly sentence: (peer: PeerWords, detail: string) => string;
  readonly hint: (peer: PeerWords) => string;
}

const refused: Cause = {
  code: "connection_refused",
  layer: "peer",
  sentence: ({ name }) =>
    `${name} refused the connection: the machine answers, but nothing listens on that port`,
  hint: ({ urlSetting }) => `see that the server runs and that host and port in ${urlSetting} are right`,
};

const closed: Cause = {
  code: "connection_closed",
  layer: "peer",
  sentence: ({ name }) => `${name} closed the connection in the middle of a request`,
  hint: () =>
    "a restart of the server or an impatient proxy does this; when it goes on, look into their logs",
};

const closedPlain: Cause = {
  ...closed,
  hint: ({ urlSetting, tlsScheme }) =>
    `a restart of the server does this once; when it goes on, the port may speak TLS: try ${tlsScheme}:// in ${urlSetting}`,
};

const closedInHandshake: Cause = {
  code: "tls_handshake_cut",
  layer: "peer",
  sentence: ({ name }) => `${name} closed the connection during the TLS handshake`,
  hint: ({ urlSetting, plainScheme, table }) =>
    `if this port is plaintext, use ${plainScheme}:// in ${urlSetting}; a load balancer also does this to a server name it does not know (${table}.server_name)`,
};

const nameUnknown: Cause = {
  code: "name_not_found",
  layer: "network",
  sentence: ({ host }) => `the name ${host} does not exist in DNS`,
  hint: ({ urlSetting, host }) =>
    isOfCluster(host)
      ? `names of Kubernetes services exist inside their cluster only: run Flightline there, or name the host of its ingress in ${urlSetting} (kubectl get ingress)`
      : `correct the host in ${urlSetting}, or try: getent hosts ${host}`,
};

function isOfCluster(host: string): boolean {
  return /\.svc(?:\.[a-z0-9.-]+)?$/i.test(host);
}

/** For who is not told whether the name or the lookup is at fault. */
const nameUnresolved: Cause = {
  ...nameUnknown,
  sentence: ({ host }) => `the name ${host} could not be resolved`,
  hint: (peer) => (isOfCluster(peer.host) ? nameUnknown.hint(peer) : otherwiseUnresolved(peer)),
};

const otherwiseUnresolved: Cause["hint"] = ({ urlSetting, host }) =>
  `try: getent hosts ${host}; when other names resolve, correct the host in ${urlSetting}, else see that this machine is online`;

const nameLookupFailed: Cause = {
  code: "name_lookup_failed",
  layer: "network",
  sentence: ({ host }) => `the name ${host} could not be looked up: no DNS server answers`,
  hint: () => "see that the machine is online and what /etc/resolv.conf names as DNS server",
};

const connectTimeout: Cause = {
  code: "connect_timeout",
  layer: "network",
  sentence: ({ name }) => `${name} did not answer in time`,
  hint: ({ urlSetting }) =>
    `a firewall that drops packets looks like this: see that the port in ${urlSetting} is open from here`,
};

const unreachable: Cause = {
  code: "host_unreachable",
  layer: "network",
  sentence: ({ name, host }, detail) => `${name} cannot be reached: there is no way to ${host} (${detail})`,
  hint: ({ host }) => `see the uplink of this machine and try: ip route get ${host}`,
};

const expired: Cause = {
  code: "tls_certificate_expired",
  layer: "peer",
  sentence: ({ name }) => `the certificate of ${name} has expired`,
  hint: () =>
    "renew it on the server; if it is still valid there, the clock of this machine is ahead: timedatectl",
};

const notYetValid: Cause = {
  code: "tls_certificate_not_yet_valid",
  layer: "host",
  sentence: ({ name }) =>
    `the certificate of ${name} is not valid yet: the clock of this machine is probably behind`,
  hint: () =>
    "compare with the true time (timedatectl); a gateway without a battery clock needs NTP before TLS",
};

const selfSigned: Cause = {
  code: "tls_self_signed",
  layer: "config",
  sentence: ({ name }) => `${name} shows a self-signed certificate that is not trusted here`,
  hint: ({ table }) => `copy that certificate to this machine and name the file in ${table}.ca_file`,
};

const unknownCa: Cause = {
  code: "tls_unknown_ca",
  layer: "config",
  sentence: ({ name }) => `the certificate of ${name} was issued by an authority that is not trusted here`,
  hint: ({ table }) =>
    `name the authority's certificate in ${table}.ca_file (a CA installed on the system: /etc/ssl/certs/ca-certificates.crt); if a public one issued it, the server does not send its intermediates`,
};

const wrongName: Cause = {
  code: "tls_wrong_name",
  layer: "config",
  sentence: ({ name }, detail) => `the certificate of ${name} is for other names: ${detail}`,
  hint: ({ urlSetting, table }) =>
    `use one of those names in ${urlSetting}, or set ${table}.server_name to it and keep the address`,
};

/** All that sidecars of a service mesh have. */
const onlyOtherNames: Cause = {
  ...wrongName,
  hint: ({ urlSetting, plainScheme }) =>
    `no name in it is one of DNS, as with a sidecar of a service mesh: let the mesh inject its sidecar here too and use ${plainScheme}:// in ${urlSetting}, or name the mesh's gateway there`,
};

const revoked: Cause = {
  code: "tls_certificate_revoked",
  layer: "peer",
  sentence: ({ name }) => `the certificate of ${name} has been revoked`,
  hint: () => "the server needs a new certificate",
};

const peerSpeaksPlaintext: Cause = {
  code: "tls_server_is_plaintext",
  layer: "config",
  sentence: ({ name }) => `${name} speaks plaintext on this port, not TLS`,
  hint: ({ urlSetting, plainScheme }) => `use ${plainScheme}:// in ${urlSetting}, or the server's TLS port`,
};

const peerSpeaksTls: Cause = {
  code: "server_is_tls",
  layer: "config",
  sentence: ({ name }) => `${name} speaks TLS on this port, not plaintext`,
  hint: ({ urlSetting, tlsScheme }) => `use ${tlsScheme}:// in ${urlSetting}`,
};

const notHttp: Cause = {
  code: "server_not_http",
  layer: "config",
  sentence: ({ name }, detail) => `what answers for ${name} does not speak HTTP (${detail})`,
  hint: ({ urlSetting }) =>
    `correct the port in ${urlSetting}: InfluxDB 3 listens on 8181 unless told otherwise`,
};

const notHttp2: Cause = {
  code: "server_not_http2",
  layer: "config",
  sentence: ({ name }, detail) => `${name} does not speak HTTP/2, which Arrow Flight needs (${detail})`,
  hint: ({ urlSetting }) =>
    `name InfluxDB's own port in ${urlSetting}, or let the proxy in between pass on gRPC (nginx: grpc_pass)`,
};

const http2Refused: Cause = {
  ...notHttp2,
  sentence: (peer) => notHttp2.sentence(peer, "it refused it in the TLS handshake"),
};

const clientCertificateNeeded: Cause = {
  code: "tls_client_certificate_needed",
  layer: "config",
  sentence: ({ name }) => `${name} wants a client certificate and got none that it could use`,
  hint: ({ table }) => `set ${table}.cert_file and ${table}.key_file`,
};

const clientCertificateRefused: Cause = {
  code: "tls_client_certificate_refused",
  layer: "config",
  sentence: ({ name }) => `${name} does not accept our client certificate`,
  hint: ({ table }) =>
    `see that ${table}.cert_file has not expired and was issued by the authority that the server trusts`,
};

const handshakeRefused: Cause = {
  code: "tls_handshake_refused",
  layer: "peer",
  sentence: ({ name }) =>
    `${name} refused the TLS handshake: it wants a client certificate, or no cipher suits both sides`,
  hint: ({ table }) =>
    `if it wants client certificates, set ${table}.cert_file and ${table}.key_file; otherwise see which ciphers it allows`,
};

const noCommonVersion: Cause = {
  code: "tls_no_common_version",
  layer: "peer",
  sentence: ({ name }) => `${name} and Flightline have no TLS version or cipher in common`,
  hint: () => "the server must offer TLS 1.2 or newer",
};

const unknownServerName: Cause = {
  code: "tls_unknown_server_name",
  layer: "config",
  sentence: ({ name }) => `${name} has no certificate for the name that we asked for`,
  hint: ({ urlSetting, table }) => `use the server's own name in ${urlSetting}, or set ${table}.server_name`,
};

const tlsFailed: Cause = {
  code: "tls_failed",
  layer: "peer",
  sentence: ({ name }, detail) => `the TLS handshake with ${name} failed (${detail})`,
  hint: ({ host }) =>
    `see what the server says: openssl s_client -connect ${host.includes(":") ? `[${host}]` : host}:PORT`,
};

const unknown: Cause = {
  code: "connection_failed",
  layer: "peer",
  sentence: ({ name }, detail) => `the connection to ${name} failed: ${detail}`,
  hint: ({ urlSetting }) => `see that the server runs and that ${urlSetting} is right`,
};

const byCode: Readonly<Record<string, Cause>> = {
  ECONNREFUSED: refused,
  ECONNRESET: closed,
  ECONNABORTED: closed,
  EPIPE: closed,
  ENOTFOUND: nameUnknown,
  EAI_AGAIN: nameLookupFailed,
  EAI_FAIL: nameLookupFailed,
  ETIMEDOUT: connectTimeout,
  EHOSTUNREACH: unreachable,
  EHOSTDOWN: unreachable,
  ENETUNREACH: unreachable,
  ENETDOWN: unreachable,
  EADDRNOTAVAIL: unreachable,
  CERT_HAS_EXPIRED: expired,
  CERT_NOT_YET_VALID: notYetValid,
  CERT_REVOKED: revoked,
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  SELF_SIGNED_CERT_IN_CHAIN: unknownCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownCa,
  UNABLE_TO_GET_ISSUER_CERT: unknownCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownCa,
  CERT_UNTRUSTED: unknownCa,
  ERR_TLS_CERT_ALTNAME_INVALID: wrongName,
};

export const causes = {
  byCode,
  closedPlain,
  clientCertificateNeeded,
  clientCertificateRefused,
  closedInHandshake,
  nameUnresolved,
  noCommonVersion,
  peerSpeaksPlaintext,
  peerSpeaksTls,
  notHttp,
  notHttp2,
  onlyOtherNames,
  tlsFailed,
  unknown,
  unknownCa,
  wrongName,
} as const;

export const opensslCauses: Readonly<Record<string, Cause>> = {
  "0A00009B": peerSpeaksPlaintext, // https proxy request
  "0A00009C": peerSpeaksPlaintext, // http request
  "0A0000C6": peerSpeaksPlaintext, // packet length too long
  "0A00010B": peerSpeaksPlaintext, // wrong version number
  "0A0000BF": noCommonVersion, // no protocols available
  "0A000102": noCommonVersion, // unsupported protocol
  "0A000410": handshakeRefused, // alert 40: all that TLS 1.2 has to say about a missing client certificate
  "0A000412": clientCertificateRefused, // alert 42, bad certificate
  "0A000413": clientCertificateRefused, // alert 43, unsupported certificate
  "0A000414": clientCertificateRefused, // alert 44, certificate revoked
  "0A000415": clientCertificateRefused, // alert 45, certificate expired
  "0A000416": clientCertificateRefused, // alert 46, certificate unknown
  "0A000418": clientCertificateRefused, // alert 48, unknown CA
  "0A000419": clientCertificateRefused, // alert 49, access denied
  "0A00041B": clientCertificateRefused, // alert 51, decrypt error
  "0A00042E": noCommonVersion, // alert 70, protocol version
  "0A00042F": noCommonVersion, // alert 71, insufficient security
  "0A000458": unknownServerName, // alert 112, unrecognized name
  "0A00045C": clientCertificateNeeded, // alert 116, certificate required
  "0A000460": http2Refused, // alert 120, no application protocol: of what gRPC offers, h2
};
