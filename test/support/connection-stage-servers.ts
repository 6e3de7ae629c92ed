/** How nginx and mosquitto are configured on a connection stage: one server or listener for each case. */
import type { NginxServer } from "./connection-stage-nginx.ts";
import { kinds, type Kind, type PairFiles, type StageFiles } from "./connection-stage-files.ts";

/** What a load balancer answers to whatever is asked. nginx itself closes the connection for a 408. */
const statuses = [301, 401, 403, 404, 413, 429, 500, 503] as const;

type Status = (typeof statuses)[number];

export type NginxWay =
  | Kind
  | `status${Status}`
  | "badGateway"
  | "gatewayTimeout"
  | "html"
  | "mutual"
  | "oldTls"
  | "plainHttp1"
  | "plainHttp2"
  | "rejectsNames"
  | "withoutHttp2";

interface Behind {
  /** Of an InfluxDB in plaintext. */
  readonly influx: number;
  readonly nobody: number;
  readonly silent: number;
}

export function nginxServers(files: StageFiles, behind: Behind): Readonly<Record<NginxWay, NginxServer>> {
  const secure = (pair: PairFiles, lines: readonly string[], listen = "ssl http2"): NginxServer => ({
    listen,
    lines: [`ssl_certificate ${pair.cert};`, `ssl_certificate_key ${pair.key};`, ...lines],
  });
  const { good } = files.servers;
  const influx = passingOn(behind.influx);
  const ending = Object.fromEntries(kinds.map((kind) => [kind, secure(files.servers[kind], influx)]));
  const answering = Object.fromEntries(
    statuses.map((status) => [`status${status}`, secure(good, [returning(status)])]),
  );
  return {
    ...(ending as Record<Kind, NginxServer>),
    ...(answering as Record<`status${Status}`, NginxServer>),
    badGateway: secure(good, passingOn(behind.nobody)),
    gatewayTimeout: secure(good, [
      ...passingOn(behind.silent),
      "proxy_read_timeout 200ms;",
      "grpc_read_timeout 200ms;",
    ]),
    html: secure(good, [
      "default_type text/html;",
      'return 200 "<html><head><title>Router login</title></head><body></body></html>";',
    ]),
    mutual: secure(good, [`ssl_client_certificate ${files.made.root};`, "ssl_verify_client on;", ...influx]),
    oldTls: secure(good, ["ssl_protocols TLSv1.1;", "ssl_ciphers ALL:@SECLEVEL=0;", ...influx]),
    plainHttp1: { listen: "", lines: influx },
    plainHttp2: { listen: "http2", lines: influx },
    rejectsNames: { listen: "ssl http2", lines: ["ssl_reject_handshake on;"] },
    withoutHttp2: secure(good, influx, "ssl"),
  };
}

/** As a load balancer in front of InfluxDB: writes in HTTP/1.1, Flight as gRPC. */
function passingOn(port: number): string[] {
  return [
    `location /arrow.flight.protocol.FlightService/ { grpc_pass grpc://127.0.0.1:${port}; }`,
    `location / { proxy_pass http://127.0.0.1:${port}; }`,
  ];
}

function returning(status: Status): string {
  return status === 301 ? "return 301 https://elsewhere.example/login;" : `return ${status};`;
}

export type BrokerWay = Kind | "mutual12" | "mutual13";

/** Lines of mosquitto.conf; `ports` are free ones. */
export function brokerListeners(
  files: StageFiles,
  ports: Readonly<Record<BrokerWay, number>>,
): readonly string[] {
  const listener = (
    way: BrokerWay,
    { cert, key }: PairFiles,
    ...more: readonly string[]
  ): readonly string[] => [`listener ${ports[way]} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`, ...more];
  const asking = [`cafile ${files.made.root}`, "require_certificate true"];
  const { good } = files.servers;
  return [
    ...kinds.flatMap((kind) => listener(kind, files.servers[kind])),
    ...listener("mutual12", good, ...asking, "tls_version tlsv1.2"),
    ...listener("mutual13", good, ...asking, "tls_version tlsv1.3"),
  ];
}

export const brokerWays: readonly BrokerWay[] = [...kinds, "mutual12", "mutual13"];
