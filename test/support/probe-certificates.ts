/**
 * Certificates for 127.0.0.1 and localhost that are wrong in one way each, made by the `openssl` program:
 * a root that signs an authority in between, out of time, for another name, by an authority made anew.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface ProbeCertificates {
  /** PEM files. */
  readonly root: string;
  readonly otherRoot: string;
  /** Has the name of `root`, and another key. */
  readonly rootMadeAnew: string;
  readonly clientCert: string;
  readonly clientKey: string;
  readonly good: Pair;
  /** By the authority in between, without that authority's own certificate. */
  readonly leafOnly: Pair;
  readonly wholeChain: Pair;
  /** By the root, and it says where to find that. */
  readonly downloadable: Pair;
  readonly wrongName: Pair;
  /** In 2020 only. */
  readonly expired: Pair;
  /** In 2090 only. */
  readonly notYetValid: Pair;
  readonly selfSigned: Pair;
  remove(): void;
}

const names = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";

export function makeProbeCertificates(): ProbeCertificates {
  const dir = mkdtempSync(join(tmpdir(), "flightline-probe-"));
  const at = (name: string): string => join(dir, name);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const root = (file: string, subject: string): void =>
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      `${file}.key`,
      "-out",
      `${file}.pem`,
      "-days",
      "2",
      "-subj",
      subject,
    );
  writeFileSync(at("index.txt"), "");
  writeFileSync(
    at("ca.cnf"),
    "[ca]\ndefault_ca=c\n[c]\nnew_certs_dir=.\ndatabase=index.txt\nrand_serial=yes\ndefault_md=sha256\n" +
      "policy=p\nunique_subject=no\n[p]\norganizationName=optional\ncommonName=supplied\n",
  );
  const issue = (file: string, by: string, extensions: string, from: string, to: string): Pair => {
    writeFileSync(at(`${file}.ext`), extensions);
    openssl(
      "req",
      ...newKey,
      "-keyout",
      `${file}.key`,
      "-out",
      `${file}.csr`,
      "-subj",
      `/O=Example/CN=${file}`,
    );
    const signer = ["-config", "ca.cnf", "-cert", `${by}.pem`, "-keyfile", `${by}.key`];
    const time = ["-startdate", from, "-enddate", to];
    openssl(
      "ca",
      "-batch",
      "-notext",
      ...signer,
      ...time,
      "-extfile",
      `${file}.ext`,
      "-in",
      `${file}.csr`,
      "-out",
      `${file}.pem`,
    );
    return pair(file);
  };
  const pair = (file: string): Pair => ({
    cert: readFileSync(at(`${file}.pem`)),
    key: readFileSync(at(`${file}.key`)),
  });
  const now = ["20200101000000Z", "20900101000000Z"] as const;
  root("root", "/O=Example/CN=Example Root");
  root("anew", "/O=Example/CN=Example Root");
  root("other", "/O=Elsewhere/CN=Other Root");
  root("alone", "/CN=alone");
  issue("between", "root", "basicConstraints=critical,CA:true\n", ...now);
  const leafOnly = issue("leaf", "between", names, ...now);
  issue("client", "root", "extendedKeyUsage=clientAuth\n", ...now);
  return {
    root: at("root.pem"),
    otherRoot: at("other.pem"),
    rootMadeAnew: at("anew.pem"),
    clientCert: at("client.pem"),
    clientKey: at("client.key"),
    good: issue("server", "root", names, ...now),
    leafOnly,
    wholeChain: { ...leafOnly, cert: Buffer.concat([leafOnly.cert, pair("between").cert]) },
    downloadable: issue(
      "aia",
      "root",
      `${names}authorityInfoAccess=caIssuers;URI:http://ca.example/root.crt\n`,
      ...now,
    ),
    wrongName: issue("wrong", "root", "subjectAltName=DNS:other.example\n", ...now),
    expired: issue("expired", "root", names, "20200101000000Z", "20201231000000Z"),
    notYetValid: issue("early", "root", names, "20900101000000Z", "20901231000000Z"),
    selfSigned: pair("alone"),
    remove: () => rmSync(dir, { recursive: true }),
  };
}
