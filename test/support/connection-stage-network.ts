/** Names, TCP, silence, connections that end, and the wrong kind of server. */
import { briskMs, hastyMs, inPlaintext, inTls, type Case } from "./connection-stage-table.ts";
import type { StageNames } from "./connection-stage-names.ts";
import type { ConnectionStage } from "./connection-stage.ts";

export function networkCases(stage: ConnectionStage, names: StageNames): readonly Case[] {
  return [...inUse(stage), ...deadEnds(stage), ...hangUps(stage), ...namesOf(names), ...strangers(stage)];
}

function deadEnds({ others }: ConnectionStage): readonly Case[] {
  const { nobody, dropsPackets, silent } = others;
  const slow = { timeoutMs: hastyMs, byProbe: true };
  const http = `http://127.0.0.1:${nobody}`;
  return [
    {
      what: "nobody listens",
      at: { ...inPlaintext(nobody), columns: http, streams: http },
      code: "connection_refused",
      says: "nothing listens on that port",
      hint: "host and port in {url}",
    },
    {
      what: "a firewall drops packets",
      at: inPlaintext(dropsPackets),
      ...slow,
      code: "connect_timeout",
      layer: "network",
      hint: "firewall that drops packets",
    },
    {
      what: "black hole, plaintext",
      at: { flight: `http://127.0.0.1:${silent}`, mqtt: `mqtt://127.0.0.1:${silent}` },
      ...slow,
      code: "server_silent",
      says: "says nothing, in any protocol",
      hint: "restart it",
    },
    // It may as well be the batch.
    {
      what: "black hole, plaintext",
      at: { write: `http://127.0.0.1:${silent}` },
      ...slow,
      code: "write_timeout",
      hint: "influxdb.write_timeout",
    },
    {
      what: "black hole, plaintext",
      at: { columns: `http://127.0.0.1:${silent}` },
      ...slow,
      code: "schema_timeout",
      hint: "slow disk",
    },
    { what: "black hole, TLS", at: inTls(silent), ...slow, code: "server_silent", hint: "restart it" },
  ];
}

function hangUps({ others }: ConnectionStage): readonly Case[] {
  const dead = { code: "server_hangs_up", hint: "a proxy whose server is down", byProbe: true };
  const cut = { code: "tls_handshake_cut", hint: "{table}.server_name", timeoutMs: briskMs };
  // A batch that kills InfluxDB looks the same: the code is left to who decides about batches.
  const closed = { code: "connection_closed", hint: "try https:// in influxdb.url" };
  const { write: finWrite, ...fin } = inPlaintext(others.hangsUp);
  const { write: rstWrite, ...rst } = inPlaintext(others.resets);
  return [
    { what: "FIN at the first byte, plaintext", at: fin, ...dead },
    { what: "FIN at the first byte, plaintext", at: { write: finWrite }, ...closed },
    { what: "RST at the first byte, plaintext", at: rst, ...dead },
    { what: "RST at the first byte, plaintext", at: { write: rstWrite }, ...closed },
    { what: "FIN at the first byte, TLS", at: inTls(others.hangsUp), ...dead },
    { what: "RST at the first byte, TLS", at: inTls(others.resets), ...dead },
    { what: "FIN in the TLS handshake", at: inTls(others.endsHello), ...cut },
    { what: "RST in the TLS handshake", at: inTls(others.resetsHello), ...cut },
  ];
}

/** Connections that were good. */
function inUse({ others }: ConnectionStage): readonly Case[] {
  const flight = (port: number): Case["at"] => ({ flight: `http://127.0.0.1:${port}` });
  return [
    {
      what: "RST in the middle of a write",
      at: { write: `http://127.0.0.1:${others.breaksOff}` },
      code: "connection_closed",
      says: "in the middle of a request",
      hint: "restart of the server",
    },
    {
      what: "RST after CONNACK",
      at: { mqtt: `mqtt://127.0.0.1:${others.leavesAfterConnack}` },
      code: "broker_connection_lost",
      hint: "the session is kept",
    },
    {
      what: "connection lost in the middle of rows",
      at: flight(others.flightLost),
      code: "flight_cut_off",
      says: "was lost in the middle of a query",
      hint: "what came so far is not all",
    },
    {
      what: "rows that end without a status",
      at: flight(others.flightCut),
      code: "flight_cut_off",
      says: "broke off its answer before the end",
      hint: "idle timeout",
    },
    {
      what: "a query that has no answer",
      at: flight(others.flightHangs),
      timeoutMs: briskMs,
      code: "flight_timeout",
      says: "took the query and had no answer",
      hint: "how busy InfluxDB is",
    },
  ];
}

function namesOf({ unknown, unanswered }: StageNames): readonly Case[] {
  return [
    {
      what: "a name that does not exist",
      at: {
        write: `http://${unknown}:8181`,
        flight: `http://${unknown}:8181`,
        mqtt: `mqtt://${unknown}:1883`,
      },
      code: "name_not_found",
      layer: "network",
      says: unknown,
      hint: `getent hosts ${unknown}`,
    },
    {
      what: "DNS that does not answer",
      at: {
        write: `http://${unanswered}:8181`,
        flight: `http://${unanswered}:8181`,
        mqtt: `mqtt://${unanswered}:1883`,
      },
      byProbe: true,
      code: "name_lookup_failed",
      layer: "network",
      hint: "/etc/resolv.conf",
    },
  ];
}

function strangers({ broker, nginx, influx, others }: ConnectionStage): readonly Case[] {
  const isMqtt = { code: "server_is_mqtt", layer: "config", hint: "8181" } as const;
  const isHttp = { code: "server_is_http", layer: "config", hint: "1883" } as const;
  const both = (port: number, scheme = "http"): Case["at"] => ({
    write: `${scheme}://127.0.0.1:${port}`,
    flight: `${scheme}://127.0.0.1:${port}`,
  });
  return [
    { what: "a broker's port for InfluxDB", at: both(broker), byProbe: true, ...isMqtt },
    {
      what: "a broker's port for InfluxDB, TLS",
      at: both(broker, "https"),
      byProbe: true,
      ...isMqtt,
    },
    { what: "InfluxDB's port for the broker", at: { mqtt: `mqtt://127.0.0.1:${influx}` }, ...isHttp },
    { what: "nginx for the broker", at: { mqtt: `mqtt://127.0.0.1:${nginx.plainHttp1}` }, ...isHttp },
    { what: "nginx for the broker, TLS", at: { mqtt: `mqtts://127.0.0.1:${nginx.good}` }, ...isHttp },
    {
      what: "SSH for InfluxDB",
      at: both(others.ssh),
      byProbe: true,
      code: "server_not_http",
      layer: "config",
      says: "SSH-2.0",
      hint: "8181",
    },
    {
      what: "SSH for the broker",
      at: { mqtt: `mqtt://127.0.0.1:${others.ssh}` },
      code: "server_not_mqtt",
      layer: "config",
      says: "SSH-2.0",
      hint: "1883",
    },
  ];
}
