/** The certificates of a cluster, made by the `openssl` program (3.0 or newer), as PEM files in one folder. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A certificate and its key. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export class Authority {
  /** Its certificate. */
  readonly file: string;
  readonly #folder: string;
  readonly #key: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.file = join(folder, `${name}.pem`);
    this.#key = join(folder, `${name}.key`);
    request(["-keyout", this.#key, "-out", this.file, "-subj", `/O=Example/CN=${name}`]);
  }

  /** `extension` in OpenSSL's words: "subjectAltName=DNS:a.example". */
  issue(name: string, extension: string): Pair {
    const pair = { cert: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) };
    const issuer = ["-CA", this.file, "-CAkey", this.#key];
    const what = ["-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:FALSE"];
    request([...issuer, "-keyout", pair.key, "-out", pair.cert, ...what, "-addext", extension]);
    return pair;
  }
}

function request(options: readonly string[]): void {
  execFileSync("openssl", ["req", "-x509", ...newKey, "-days", "60", ...options], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

export function copyPair(from: Pair, to: Pair): void {
  copyFileSync(from.cert, to.cert);
  copyFileSync(from.key, to.key);
}

export function readPair({ cert, key }: Pair): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

/** As nginx writes it. */
export function serialOf(file: string): string {
  return new X509Certificate(readFileSync(file)).serialNumber;
}

export interface ClusterCertificates {
  /** The company's own authority, and what the load balancer shows for both of its names. */
  readonly company: Authority;
  readonly balancer: Pair;
  /** For the name for writing only. */
  readonly oneName: Pair;
  readonly mesh: Authority;
  readonly gateway: Pair;
  readonly client: Pair;
  /** What a sidecar shows: a name in SPIFFE's form and none of DNS. */
  readonly sidecar: Pair;
  /** A client certificate of another authority. */
  readonly stranger: Pair;
}

export const gatewayName = "influxdb.mesh.internal";

export function makeCertificates(folder: string): ClusterCertificates {
  const company = new Authority(folder, "company-ca");
  const mesh = new Authority(folder, "mesh-ca");
  const names = ["influxdb.example.com", "influxdb-flight.example.com"];
  const dns = (...all: string[]): string => `subjectAltName=${all.map((name) => `DNS:${name}`).join(",")}`;
  const forClients = "extendedKeyUsage=clientAuth";
  return {
    company,
    balancer: company.issue("balancer", dns(...names)),
    oneName: company.issue("one-name", dns("influxdb.example.com")),
    mesh,
    gateway: mesh.issue("gateway", dns(gatewayName)),
    client: mesh.issue("client", forClients),
    sidecar: mesh.issue("sidecar", "subjectAltName=URI:spiffe://cluster.local/ns/influxdb/sa/querier"),
    stranger: company.issue("stranger", forClients),
  };
}
