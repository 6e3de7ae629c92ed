/** Requests to the InfluxDB stand-in as a client makes them, with status and text of the answer. */
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";

export const flushIntervalMs = 10;

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

export async function ask(server: InfluxStandIn, path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(server.url + path, init);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

export async function write(
  server: InfluxStandIn,
  body: string | Uint8Array<ArrayBuffer>,
  parameters = "db=farm&precision=ns",
  headers: Record<string, string> = {},
): Promise<[status: number, body: string]> {
  const reply = await ask(server, `/api/v3/write_lp?${parameters}`, { method: "POST", body, headers });
  return [reply.status, reply.body];
}

export async function writeV2(
  server: InfluxStandIn,
  body: string,
  parameters: string,
): Promise<[number, string]> {
  const reply = await ask(server, `/api/v2/write${parameters}`, { method: "POST", body });
  return [reply.status, reply.body];
}

export async function sql(server: InfluxStandIn, query: string, more = ""): Promise<[number, string]> {
  const reply = await ask(server, `/api/v3/query_sql?db=farm&q=${encodeURIComponent(query)}${more}`);
  return [reply.status, reply.body];
}
