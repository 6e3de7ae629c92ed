/** What load balancers, portals and proxies answer in place of InfluxDB. */
import { briskMs, inTls, type Case } from "./connection-stage-table.ts";
import type { ConnectionStage } from "./connection-stage.ts";
import type { StageProxies } from "./connection-stage-proxies.ts";
import { password } from "./connection-stage-roads.ts";

export function httpCases(stage: ConnectionStage, proxies: StageProxies): readonly Case[] {
  return [...loadBalancers(stage), ...pages(stage), ...proxyCases(stage, proxies)];
}

function loadBalancers({ nginx, others }: ConnectionStage): readonly Case[] {
  const write = (port: number): Case["at"] => ({ write: `https://localhost:${port}` });
  const flight = (port: number): Case["at"] => ({ flight: `https://localhost:${port}` });
  const fatal = { disposition: "fatal" } as const;
  const grpc = "passes on gRPC";
  const log = "InfluxDB's own log";
  const unavailable = { code: "flight_unavailable", hint: grpc };
  return [
    {
      what: "301",
      at: write(nginx.status301),
      code: "write_redirected",
      says: "https://elsewhere.example/login",
      hint: "into influxdb.url",
      ...fatal,
    },
    {
      what: "301",
      at: flight(nginx.status301),
      code: "flight_not_grpc",
      says: "HTTP 301",
      hint: "grpc_pass",
      ...fatal,
    },
    { what: "401", at: write(nginx.status401), code: "write_unauthorized", hint: "token_file", ...fatal },
    {
      what: "401",
      at: flight(nginx.status401),
      code: "flight_unauthorized",
      hint: "influxdb.query_token",
      ...fatal,
    },
    { what: "403", at: write(nginx.status403), code: "write_forbidden", hint: "write permission", ...fatal },
    { what: "403", at: flight(nginx.status403), code: "flight_forbidden", hint: "read permission", ...fatal },
    {
      what: "404",
      at: write(nginx.status404),
      code: "write_not_found",
      hint: "path in influxdb.url",
      ...fatal,
    },
    {
      what: "404",
      at: flight(nginx.status404),
      code: "flight_not_grpc",
      says: "HTTP 404",
      hint: "grpc_pass",
      ...fatal,
    },
    { what: "408", at: { flight: `http://127.0.0.1:${others.status408}` }, says: "HTTP 408", ...unavailable },
    {
      what: "413",
      at: write(nginx.status413),
      code: "write_too_large",
      hint: "influxdb.batch_max_size",
      disposition: "retry",
    },
    {
      what: "413",
      at: flight(nginx.status413),
      code: "flight_not_grpc",
      says: "HTTP 413",
      hint: "grpc_pass",
      ...fatal,
    },
    { what: "429", at: write(nginx.status429), code: "write_overloaded", hint: "waits in the journal" },
    { what: "429", at: flight(nginx.status429), says: "HTTP 429", ...unavailable },
    { what: "500", at: write(nginx.status500), code: "write_server_error", says: "HTTP 500", hint: log },
    { what: "500", at: flight(nginx.status500), says: "HTTP 500", ...unavailable },
    {
      what: "502, InfluxDB is down",
      at: write(nginx.badGateway),
      code: "write_server_error",
      says: "HTTP 502",
      hint: "the log of that proxy",
    },
    { what: "502, InfluxDB is down", at: flight(nginx.badGateway), says: "HTTP 502", ...unavailable },
    { what: "503", at: write(nginx.status503), code: "write_overloaded", says: "HTTP 503", hint: log },
    { what: "503", at: flight(nginx.status503), says: "HTTP 503", ...unavailable },
    {
      what: "504, InfluxDB hangs",
      at: write(nginx.gatewayTimeout),
      code: "write_server_error",
      says: "HTTP 504",
      hint: "the log of that proxy",
    },
    {
      what: "504, InfluxDB hangs",
      at: flight(nginx.gatewayTimeout),
      says: "HTTP 504",
      ...unavailable,
      hint: "grpc_read_timeout",
    },
  ];
}

function pages({ nginx, others }: ConnectionStage): readonly Case[] {
  const at = (port: number): Record<"write" | "columns" | "flight", string> => ({
    write: `http://127.0.0.1:${port}`,
    columns: `http://127.0.0.1:${port}`,
    flight: `http://127.0.0.1:${port}`,
  });
  const { html, portal, wantsLogin } = others;
  const isPage = {
    code: "server_is_web_page",
    layer: "config",
    says: "Router login",
    hint: "{url}",
    byProbe: true,
  } as const;
  const isPortal = {
    code: "captive_portal",
    layer: "network",
    hint: "log in to this network",
    byProbe: true,
  } as const;
  return [
    {
      what: "HTTP/1.1 only",
      at: { flight: `http://127.0.0.1:${nginx.plainHttp1}` },
      byProbe: true,
      code: "http1_only",
      layer: "config",
      says: "nginx",
      hint: "grpc_pass",
    },
    {
      what: "HTTP/2 only",
      at: { write: `http://127.0.0.1:${nginx.plainHttp2}` },
      byProbe: true,
      code: "http2_only",
      layer: "config",
      hint: "influxdb.flight_url",
    },
    { what: "200 text/html", at: at(html), ...isPage },
    { what: "200 text/html, TLS", at: { write: `https://localhost:${nginx.html}` }, ...isPage },
    {
      what: "200 text/html, TLS",
      at: { flight: `https://localhost:${nginx.html}` },
      code: "flight_not_grpc",
      says: "that was a web server",
      hint: "grpc_pass",
      disposition: "fatal",
    },
    { what: "captive portal, 302", at: at(portal), says: "login.hotel.example", ...isPortal },
    { what: "captive portal, 511", at: at(wantsLogin), says: "511", ...isPortal },
  ];
}

function proxyCases(
  { influx, broker, nginx, secureBroker }: ConnectionStage,
  proxies: StageProxies,
): readonly Case[] {
  const secure = inTls(nginx.good, secureBroker.good);
  const plain = { columns: `http://127.0.0.1:${influx}`, streams: `http://127.0.0.1:${influx}` };
  const at = { ...secure, ...plain };
  const through = (proxy: string, more: Readonly<Record<string, unknown>> = {}) => ({
    settings: { proxy, ...more },
  });
  const known = { proxy_username: "gateway", proxy_password: password };
  const unauthorized = { code: "proxy_unauthorized", layer: "config", says: "HTTP 407" } as const;
  const network = { layer: "network" } as const;
  return [
    { what: "a proxy that is well", at, ...through(proxies.well), code: "" },
    {
      what: "a proxy, plaintext behind it",
      at: {
        write: `http://127.0.0.1:${influx}`,
        flight: `http://127.0.0.1:${influx}`,
        mqtt: `mqtt://127.0.0.1:${broker}`,
      },
      ...through(proxies.well),
      code: "",
    },
    {
      what: "proxy: 407, no password",
      at,
      ...through(proxies.wantsPassword),
      hint: "set {table}.proxy_username",
      ...unauthorized,
    },
    {
      what: "proxy: 407, wrong password",
      at: secure,
      ...through(proxies.wantsPassword, known),
      hint: "check {table}.proxy_username",
      ...unauthorized,
    },
    {
      what: "proxy: 403",
      at,
      ...through(proxies.refuses),
      code: "proxy_refused",
      layer: "config",
      says: "HTTP 403",
      hint: "allow CONNECT to",
    },
    {
      what: "proxy: 502",
      at,
      ...through(proxies.cannotReach),
      code: "proxy_target_unreachable",
      says: "HTTP 502",
      hint: "remove {table}.proxy",
      ...network,
    },
    {
      what: "proxy: nobody listens",
      at,
      ...through(proxies.nobody),
      code: "proxy_unreachable",
      says: "nothing listens",
      hint: "host and port in {table}.proxy",
      ...network,
    },
    {
      what: "proxy: silent",
      at: secure,
      ...through(proxies.silent),
      timeoutMs: briskMs,
      code: "proxy_bad_answer",
      says: "gave no answer to CONNECT",
      hint: "{table}.proxy",
      ...network,
    },
    {
      what: "proxy: not a proxy",
      at: secure,
      ...through(proxies.notHttp),
      code: "proxy_bad_answer",
      says: "does not answer in HTTP/1.1",
      hint: "{table}.proxy",
      ...network,
    },
  ];
}
