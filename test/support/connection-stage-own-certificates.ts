/** Certificates that this side shows, and files that are of no use. */
import { inTls, type Case, type Expected } from "./connection-stage-table.ts";
import type { ConnectionStage } from "./connection-stage.ts";

export function ownCertificateCases(stage: ConnectionStage): readonly Case[] {
  return [...clientCertificates(stage), ...badFiles(stage)];
}

function clientCertificates({ files, nginx, secureBroker, others }: ConnectionStage): readonly Case[] {
  const needed = {
    code: "tls_client_certificate_needed",
    layer: "config",
    hint: "set {table}.cert_file and {table}.key_file",
  } as const;
  const refused = {
    code: "tls_client_certificate_refused",
    layer: "config",
    hint: "{table}.cert_file has not expired",
  } as const;
  const { client, expiredClient, strangeClient } = files;
  const shows = ({ cert, key }: typeof client) => ({ settings: { cert_file: cert, key_file: key } });
  const at12 = inTls(others.mutual12, secureBroker.mutual12);
  const at13 = inTls(others.mutual13, secureBroker.mutual13);
  const { mqtt: _mqtt, ...atNginx } = inTls(nginx.mutual);
  const of = (how: string, expected: Expected, more: Pick<Case, "settings"> = {}): readonly Case[] => [
    { what: `${how}, TLS 1.2`, at: at12, byProbe: true, ...expected, ...more },
    { what: `${how}, TLS 1.3`, at: at13, byProbe: true, ...expected, ...more },
    // It completes the handshake, and answers 400.
    { what: `${how}, nginx`, at: atNginx, byProbe: true, ...expected, ...more },
  ];
  const atBrokers = { mqtt: at12.mqtt };
  return [
    { what: "the right client certificate", at: { ...atNginx, ...atBrokers }, code: "", ...shows(client) },
    ...of("no client certificate", needed),
    ...of("another's client certificate", refused, shows(strangeClient)),
    ...of("an expired client certificate", refused, shows(expiredClient)),
  ];
}

function badFiles({ files, nginx, secureBroker }: ConnectionStage): readonly Case[] {
  const { made, client, strangeClient, garbage, damaged } = files;
  const at = inTls(nginx.good, secureBroker.good);
  const bad = { code: "tls_bad_pem", layer: "config" } as const;
  return [
    {
      what: "ca_file is no PEM",
      at,
      settings: { ca_file: garbage },
      says: "BEGIN CERTIFICATE",
      hint: "BEGIN CERTIFICATE",
      ...bad,
    },
    {
      what: "ca_file is damaged",
      at,
      settings: { ca_file: damaged },
      says: "does not parse",
      hint: "copy it again",
      ...bad,
    },
    {
      what: "ca_file is not there",
      at,
      settings: { ca_file: `${made.root}.gone` },
      code: "tls_file_unreadable",
      layer: "config",
      hint: "correct ca_file",
    },
    {
      what: "a key of another certificate",
      at,
      settings: { cert_file: client.cert, key_file: strangeClient.key },
      code: "tls_key_mismatch",
      layer: "config",
      hint: "name its key in key_file",
    },
  ];
}
