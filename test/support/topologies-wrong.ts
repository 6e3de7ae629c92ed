/** The mistakes of docs/influxdb-clustered.md: what makes each, and what it is known by. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeFault } from "../../src/cli/describe-fault.ts";
import { Fault } from "../../src/lib/fault.ts";
import { copyPair } from "./topologies-certificates.ts";
import { otherDoors, token, type Cluster } from "./topologies-cluster.ts";
import { doors } from "./topologies-nginx.ts";
import { Roads, type Setup } from "./topologies-roads.ts";

export interface Mistake {
  /** As on the page. */
  readonly title: string;
  /** Where names lead. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Which configuration is changed; default: the first one of the section. */
  readonly configuration?: { readonly section: number; readonly index: number };
  /** Done before each try, in the place of `/etc/flightline`. */
  readonly prepare?: (folder: string, cluster: Cluster) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** What `flightline check` says; no connection is tried then. */
  readonly check?: RegExp;
  /** Code and hint; absent: rows arrive. */
  readonly write?: readonly [code: string, hint: RegExp];
  readonly query?: readonly [code: string, hint: RegExp];
}

/** Every name of the first section at one address. */
export function balancedBy(address: string): Record<string, string> {
  return { "influxdb.example.com": address, "influxdb-flight.example.com": address };
}

/** Every name of the second section at one address. */
export function servedBy(address: string): Record<string, string> {
  return {
    "global-router.influxdb.svc.cluster.local": address,
    "iox-shared-querier.influxdb.svc.cluster.local": address,
  };
}

export function gatewayAt(address: string): Record<string, string> {
  return { "gateway.example.com": address };
}

/** The files that the page's configurations name, as they should be. */
export function putFiles(folder: string, { certificates }: Cluster): void {
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("influxdb-token"), `${token}\n`);
  writeFileSync(at("token"), `${token}\n`);
  copyFileSync(certificates.company.file, at("influxdb-ca.pem"));
  copyFileSync(certificates.mesh.file, at("mesh-ca.pem"));
  copyPair(certificates.client, { cert: at("flightline.pem"), key: at("flightline.key") });
  copyPair(certificates.stranger, { cert: at("stranger.pem"), key: at("stranger.key") });
}

const plaintext = { section: 1, index: 0 };
const twoHosts = { section: 0, index: 1 };

const atBalancer: readonly Mistake[] = [
  {
    title: "`http://` to the port that speaks TLS",
    hosts: balancedBy(doors.balancer),
    write: ["server_is_tls", /use https:\/\/ in influxdb\.url/],
    query: ["server_is_tls", /use https:\/\/ in influxdb/],
  },
  {
    title: "No `ca_file`, and a private authority",
    hosts: balancedBy(doors.balancer),
    write: ["tls_unknown_ca", /influxdb\.ca_file/],
    query: ["tls_unknown_ca", /influxdb\.ca_file/],
  },
  {
    title: "A load balancer that does not speak HTTP/2",
    hosts: balancedBy(doors.http1Balancer),
    query: ["tls_no_alpn_h2", /HTTP\/2 where TLS ends/],
  },
  {
    title: "An ingress without its gRPC annotation",
    hosts: balancedBy(doors.plainIngress),
    query: ["flight_not_grpc", /let the proxy in between pass on gRPC/],
  },
  {
    title: "An Application Load Balancer with an HTTP/1.1 target group",
    hosts: balancedBy(doors.awsBalancer),
    query: ["flight_not_grpc", /protocol version of the target group/],
  },
  {
    title: "Nothing runs behind the load balancer",
    hosts: balancedBy(doors.emptyBalancer),
    write: ["write_server_error", /nothing is lost/],
    query: ["flight_unavailable", /InfluxDB runs behind that proxy/],
  },
  {
    title: "A login page in between",
    hosts: balancedBy(doors.loginPage),
    write: ["write_answer_not_influxdb", /a login page/],
    query: ["flight_not_grpc", /pass on gRPC/],
  },
  {
    title: "A certificate that lacks the name of `flight_url`",
    hosts: balancedBy(doors.oneNameBalancer),
    configuration: twoHosts,
    query: ["tls_wrong_name", /influxdb\.server_name/],
  },
  {
    title: "The load balancer's patience ends while InfluxDB plans",
    hosts: balancedBy(doors.impatientBalancer),
    prepare: (_folder, { standIn }) => standIn.flightFaults.nextQueries({ kind: "hang" }),
    query: ["flight_unavailable", /proxy/],
  },
  {
    title: "The load balancer's patience ends in the middle of an answer",
    hosts: balancedBy(doors.impatientBalancer),
    prepare: (_folder, { standIn }) => standIn.flightFaults.nextQueries({ kind: "hang", afterBatches: 0 }),
    query: ["flight_cut_off", /a proxy with an idle timeout/],
  },
];

const atServices: readonly Mistake[] = [
  {
    title: "`https://` to a port that speaks plaintext",
    hosts: servedBy(doors.services),
    write: ["tls_server_is_plaintext", /use http:\/\/ in influxdb\.url/],
    query: ["tls_server_is_plaintext", /use http:\/\/ in influxdb\.flight_url/],
  },
  {
    title: "No `flight_url`",
    hosts: servedBy(doors.services),
    query: ["http1_only", /influxdb\.flight_url/],
  },
  {
    title: "The two services in each other's place",
    hosts: servedBy(doors.services),
    write: ["http2_only", /a port for gRPC alone is for influxdb\.flight_url/],
    query: ["http1_only", /influxdb\.flight_url/],
  },
  {
    title: "The names of services, outside the cluster",
    hosts: {},
    write: ["name_not_found", /inside their cluster only/],
    query: ["name_not_found", /inside their cluster only/],
  },
  {
    title: "A port-forward to a port on which nothing listens in the pod",
    hosts: {},
    write: ["connection_closed", /influxdb\.url/],
    query: ["server_hangs_up", /published port where nothing listens/],
  },
  {
    title: "A token from the environment, with a line break at its end",
    hosts: servedBy(doors.services),
    env: { INFLUXDB_TOKEN: `${token}\n` },
    check: /influxdb\.token: contains a control character, such as a line break/,
  },
  {
    title: "A token that is still in base64, as `kubectl get secret --output yaml` shows it",
    hosts: servedBy(doors.services),
    prepare: (folder) => writeFileSync(join(folder, "token"), Buffer.from(token).toString("base64")),
    write: ["write_unauthorized", /token_file/],
    query: ["flight_forbidden", /token/],
  },
];

const inMesh: readonly Mistake[] = [
  {
    title: "No client certificate",
    hosts: gatewayAt(otherDoors.envoy),
    write: ["tls_client_certificate_needed", /influxdb\.cert_file/],
    query: ["tls_client_certificate_needed", /influxdb\.cert_file/],
  },
  {
    title: "No client certificate, and nginx in the place of the mesh's gateway",
    hosts: gatewayAt(doors.gateway),
    write: ["write_answer_not_influxdb", /influxdb\.url/],
    query: ["flight_not_grpc", /influxdb\.flight_url/],
  },
  {
    title: "A client certificate of an authority that the gateway does not know",
    hosts: gatewayAt(otherDoors.envoy),
    write: ["tls_client_certificate_refused", /influxdb\.cert_file/],
    query: ["tls_client_certificate_refused", /influxdb\.cert_file/],
  },
  {
    title: "No `server_name`",
    hosts: gatewayAt(doors.gateway),
    write: ["tls_wrong_name", /influxdb\.server_name/],
    query: ["tls_wrong_name", /influxdb\.server_name/],
  },
  {
    title: "No `server_name`, and a gateway that knows several",
    hosts: gatewayAt(otherDoors.envoy),
    write: ["server_hangs_up", /./],
    query: ["server_hangs_up", /./],
  },
  {
    title: "A new certificate beside the key of the old one",
    hosts: gatewayAt(doors.gateway),
    prepare: (folder, { certificates }) =>
      copyFileSync(certificates.stranger.cert, join(folder, "flightline.pem")),
    check: /is not the key of the first certificate/,
  },
  {
    title: "Inside, without a sidecar, and the mesh is strict",
    hosts: servedBy(otherDoors.strictSidecar),
    configuration: plaintext,
    write: ["server_is_tls", /./],
    query: ["server_is_tls", /./],
  },
  {
    title: "Inside, `https://` to a service",
    hosts: servedBy(otherDoors.strictSidecar),
    configuration: plaintext,
    write: ["tls_wrong_name", /./],
    query: ["tls_wrong_name", /./],
  },
];

/** By section of the page. */
export const mistakes: readonly (readonly Mistake[])[] = [atBalancer, atServices, inMesh];

export interface Seen {
  readonly write?: Fault | undefined;
  readonly query?: Fault | undefined;
  /** As the page shows it. */
  readonly text: string;
}

/** One try after the other, until it looks as expected or time is up: what a probe finds is said by the next try. */
export async function watchMistake(
  mistake: Mistake,
  setup: Setup,
  cluster: Cluster,
  isExpected: (seen: Seen) => boolean,
): Promise<Seen> {
  const prepare = (): void => mistake.prepare?.(setup.folder, cluster);
  prepare();
  if (mistake.check !== undefined) return { text: `check: ${(await setup.run(["check"], mistake.env)).out}` };
  const config = setup.load();
  if (typeof config === "string") return { text: `check: ${config}` };
  const roads = new Roads(config);
  const deadlineMs = performance.now() + 3000;
  try {
    for (let n = 1; ; n += 1) {
      const write = await roads.write({ device: "mistaken", n });
      const answer = await roads.query("mistaken", 2000);
      const query = answer instanceof Fault ? answer : undefined;
      const seen = { write, query, text: shown("write", write) + shown("query", query) };
      if (isExpected(seen) || performance.now() >= deadlineMs) return seen;
      await new Promise((resolve) => setTimeout(resolve, 50));
      prepare();
    }
  } finally {
    await roads.close();
  }
}

function shown(road: "write" | "query", fault: Fault | undefined): string {
  return `${road}: ${fault === undefined ? "all is well\n" : describeFault(fault)}`;
}

/** What differs from one run to the next: the number of a request, and the version of this machine's nginx. */
export function withoutChance(text: string): string {
  return text.replaceAll(/ \(request [\da-f-]{36}[^)]*\)/g, "").replaceAll(/nginx\/\d+(?:\.\d+)*/g, "nginx");
}
