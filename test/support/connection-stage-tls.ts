/** TLS on one side only, certificates, and handshakes that come to nothing. */
import type { Kind } from "./connection-stage-files.ts";
import { inPlaintext, inTls, briskMs, type Case } from "./connection-stage-table.ts";
import type { ConnectionStage } from "./connection-stage.ts";

export function tlsCases(stage: ConnectionStage): readonly Case[] {
  return [...schemes(stage), ...certificates(stage), ...clocks(stage), ...handshakes(stage)];
}

function schemes({ influx, nginx, broker, secureBroker, others }: ConnectionStage): readonly Case[] {
  const isPlaintext = {
    code: "tls_server_is_plaintext",
    layer: "config",
    says: "speaks plaintext on this port",
    hint: "use {plain}:// in {url}",
  } as const;
  const isTls = {
    code: "server_is_tls",
    layer: "config",
    says: "speaks TLS on this port",
    hint: "use {secure}:// in {url}",
  } as const;
  const http = `http://127.0.0.1:${others.secure}`;
  return [
    {
      what: "TLS to a plaintext port",
      at: { ...inTls(influx, broker), columns: `https://127.0.0.1:${influx}` },
      ...isPlaintext,
    },
    {
      what: "TLS to HTTP/1.1 in plaintext",
      at: { write: `https://127.0.0.1:${nginx.plainHttp1}`, flight: `https://127.0.0.1:${nginx.plainHttp1}` },
      ...isPlaintext,
    },
    {
      what: "plaintext to a TLS port",
      at: {
        write: http,
        flight: http,
        columns: http,
        streams: http,
        mqtt: `mqtt://127.0.0.1:${secureBroker.good}`,
      },
      byProbe: true,
      ...isTls,
    },
    {
      what: "plaintext to nginx' TLS port",
      at: { ...inPlaintext(nginx.good), columns: `http://127.0.0.1:${nginx.good}` },
      byProbe: true,
      ...isTls,
    },
  ];
}

function certificates({ files, nginx, secureBroker }: ConnectionStage): readonly Case[] {
  const shown = (kind: Kind): Case["at"] => inTls(nginx[kind], secureBroker[kind]);
  const { made } = files;
  const goodFor = (port: number): Case["at"] => ({
    columns: `https://localhost:${port}`,
    streams: `https://localhost:${port}`,
  });
  const unknown = {
    code: "tls_unknown_ca",
    layer: "config",
    hint: "{table}.ca_file",
    byProbe: true,
  } as const;
  const well = { code: "" };
  return [
    { what: "the right authority", at: { ...shown("good"), ...goodFor(nginx.good) }, ...well },
    {
      what: "an expired one, verify = false",
      at: shown("expired"),
      settings: { verify: false, ca_file: undefined },
      ...well,
    },
    {
      what: "another name, server_name set",
      at: shown("wrongName"),
      settings: { server_name: "other.example" },
      ...well,
    },
    {
      what: "expired",
      at: shown("expired"),
      code: "tls_certificate_expired",
      hint: "renew it on the server",
    },
    {
      what: "not yet valid",
      at: shown("notYetValid"),
      code: "tls_certificate_not_yet_valid",
      layer: "host",
      hint: "timedatectl",
    },
    {
      what: "another name",
      at: shown("wrongName"),
      code: "tls_wrong_name",
      layer: "config",
      says: "DNS:other.example",
      hint: "{table}.server_name",
    },
    {
      what: "self-signed",
      at: shown("selfSigned"),
      code: "tls_self_signed",
      layer: "config",
      hint: "{table}.ca_file",
    },
    {
      what: "unknown authority",
      at: { ...shown("good"), ...goodFor(nginx.good) },
      settings: { ca_file: made.otherRoot },
      says: "CN=Example Root",
      ...unknown,
    },
    {
      what: "unknown authority, no ca_file",
      at: shown("good"),
      settings: { ca_file: undefined },
      says: "CN=Example Root",
      ...unknown,
    },
    {
      what: "an authority made anew",
      at: shown("good"),
      settings: { ca_file: made.rootMadeAnew },
      says: "another key",
      ...unknown,
    },
    {
      what: "intermediate missing",
      at: shown("leafOnly"),
      byProbe: true,
      code: "tls_missing_intermediate",
      says: "CN=between",
      hint: "fullchain.pem",
    },
  ];
}

function clocks({ others }: ConnectionStage): readonly Case[] {
  const both = (port: number): Case["at"] => ({
    write: `https://localhost:${port}`,
    flight: `https://localhost:${port}`,
  });
  return [
    {
      what: "our clock is behind",
      at: both(others.clockBehind),
      byProbe: true,
      code: "clock_behind",
      layer: "host",
      says: "days behind",
      hint: "timedatectl",
    },
    {
      what: "our clock is ahead",
      at: both(others.clockAhead),
      byProbe: true,
      code: "clock_ahead",
      layer: "host",
      says: "days ahead",
      hint: "timedatectl",
    },
  ];
}

function handshakes({ nginx, others }: ConnectionStage): readonly Case[] {
  const noAlpn = { code: "tls_no_alpn_h2", layer: "config", hint: "http2 on" } as const;
  return [
    {
      what: "TLS 1.1 only",
      at: inTls(nginx.oldTls, others.oldTls),
      code: "tls_no_common_version",
      hint: "TLS 1.2 or newer",
    },
    {
      what: "a name that TLS does not know",
      at: {
        write: `https://localhost:${nginx.rejectsNames}`,
        flight: `https://localhost:${nginx.rejectsNames}`,
      },
      code: "tls_unknown_server_name",
      layer: "config",
      hint: "{table}.server_name",
    },
    {
      what: "ALPN refused (nginx without http2)",
      at: { flight: `https://localhost:${nginx.withoutHttp2}` },
      byProbe: true,
      ...noAlpn,
    },
    { what: "nginx without http2", at: { write: `https://localhost:${nginx.withoutHttp2}` }, code: "" },
    {
      what: "no ALPN at all, and silent",
      at: { flight: `https://localhost:${others.withoutAlpn}` },
      timeoutMs: briskMs,
      byProbe: true,
      ...noAlpn,
    },
  ];
}
