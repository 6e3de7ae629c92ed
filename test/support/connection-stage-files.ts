/** The certificates of a connection stage as files, which nginx and mosquitto want, and files that are of no use. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { TlsConfig } from "../../src/net/config.ts";
import { makeProbeCertificates, type Pair, type ProbeCertificates } from "./probe-certificates.ts";
import { temporaryFolder } from "./wait.ts";

export interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

/** Of a server: right, or wrong in one way. */
export const kinds = ["good", "expired", "notYetValid", "wrongName", "selfSigned", "leafOnly"] as const;

export type Kind = (typeof kinds)[number];

export interface StageFiles {
  readonly made: ProbeCertificates;
  readonly servers: Readonly<Record<Kind, PairFiles>>;
  /** Trusts the authority of them all. */
  readonly trusting: TlsConfig;
  /** As what a client shows: accepted, expired, of another authority. */
  readonly client: PairFiles;
  readonly expiredClient: PairFiles;
  readonly strangeClient: PairFiles;
  /** No PEM at all. */
  readonly garbage: string;
  /** Between the two marks of PEM. */
  readonly damaged: string;
}

export async function makeStageFiles(t: TestContext): Promise<StageFiles> {
  const made = makeProbeCertificates();
  t.after(() => made.remove());
  const folder = await temporaryFolder("stage-files");
  t.after(() => folder.remove());
  const file = (name: string, text: string | Buffer): string => {
    const path = join(folder.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const pair = (name: string, { cert, key }: Pair): PairFiles => ({
    cert: file(`${name}.pem`, cert),
    key: file(`${name}.key`, key),
  });
  const servers = Object.fromEntries(kinds.map((kind) => [kind, pair(kind, made[kind])]));
  return {
    made,
    servers: servers as Record<Kind, PairFiles>,
    trusting: { verify: true, caFile: made.root },
    client: { cert: made.clientCert, key: made.clientKey },
    expiredClient: pair("expired-client", made.expired),
    strangeClient: pair("strange-client", made.selfSigned),
    garbage: file("garbage.pem", "this was to be a certificate\n"),
    damaged: file("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
  };
}
