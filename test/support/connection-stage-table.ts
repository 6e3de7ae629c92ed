/** Cases of connections that fail, what is expected of each on each road, and the table of what was said. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import type { Disposition, Fault, Layer } from "../../src/lib/fault.ts";
import { password, roads, streamsOf, token, type Approach, type Road } from "./connection-stage-roads.ts";

/** In `says` and `hint`, {url}, {table}, {secure} and {plain} stand for those of the road. */
export interface Expected {
  /** "": all is well. */
  readonly code: string;
  /** "peer": of the road. */
  readonly layer?: Layer | "peer";
  readonly says?: string;
  readonly hint?: string;
  readonly disposition?: Disposition;
  /** Only a probe can tell: it is said the second time, but by MQTT, which waits for it. */
  readonly byProbe?: boolean;
}

export interface Case extends Expected {
  readonly what: string;
  /** Where each road finds it; a road without an address is not concerned. */
  readonly at: Readonly<Partial<Record<Road, string>>>;
  /** Beside the address. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly timeoutMs?: number;
}

interface Row {
  readonly what: string;
  readonly road: Road;
  readonly expected: Expected;
  readonly approach: Approach;
  said?: readonly Fault[];
  ms?: number;
}

/** For what answers, which need not be soon on a busy machine. */
const patientMs = 8000;
/** For what does not answer. */
export const hastyMs = 700;
/** For what answers, and would be waited for afterwards. */
export const briskMs = 2000;

type ThreeRoads = Readonly<Record<"write" | "flight" | "mqtt", string>>;

/** The three roads to one server, or to InfluxDB and the broker. */
export function inPlaintext(influx: number, broker = influx): ThreeRoads {
  return {
    write: `http://127.0.0.1:${influx}`,
    flight: `http://127.0.0.1:${influx}`,
    mqtt: `mqtt://127.0.0.1:${broker}`,
  };
}

export function inTls(influx: number, broker = influx): ThreeRoads {
  return {
    write: `https://localhost:${influx}`,
    flight: `https://localhost:${influx}`,
    mqtt: `mqtts://localhost:${broker}`,
  };
}

const words: Readonly<Record<Road, Readonly<Record<string, string>>>> = {
  write: { url: "influxdb.url", table: "influxdb", secure: "https", plain: "http", peer: "write" },
  columns: { url: "influxdb.url", table: "influxdb", secure: "https", plain: "http", peer: "write" },
  flight: { url: "influxdb.flight_url", table: "influxdb", secure: "https", plain: "http", peer: "flight" },
  streams: { url: "influxdb.flight_url", table: "influxdb", secure: "https", plain: "http", peer: "flight" },
  mqtt: { url: "mqtt.url", table: "mqtt", secure: "mqtts", plain: "mqtt", peer: "broker" },
};

/** What OpenSSL, Node.js and grpc-js call things, and what grpc-js leaves encoded. */
const foreignWords =
  /SSL routines|\bssl\d?_|tls_|error:0A|\bUNAVAILABLE\b|No connection established|Waiting for LB pick|Resolution note|%[0-9A-F]{2}|socket hang up|Client network socket|altnames|getaddrinfo|\bE(?:CONN|PIPE|PROTO|NOTFOUND|AI_)|ERR_|HPE_|RST_STREAM|undefined/;

export class FailureTable {
  readonly #rows: readonly Row[];

  /** `caFile`: of the approaches by TLS that do not name another one. */
  constructor(cases: readonly Case[], caFile: string) {
    this.#rows = cases.flatMap(({ what, at, settings, timeoutMs = patientMs, ...expected }) =>
      Object.entries(at).map(([road, url]) => ({
        what,
        road: road as Road,
        expected,
        approach: {
          settings: { url, ...(/^(?:http|mqtt)s:/.test(url) && { ca_file: caFile }), ...settings },
          timeoutMs,
          isIt: (fault) => isExpected(fault, expected, road as Road),
          byProbe: expected.byProbe === true,
        },
      })),
    );
  }

  /** Each row is a test of its own. */
  async check(t: TestContext): Promise<void> {
    const inProcess = this.#rows.filter(({ road }) => road === "streams").map(({ approach }) => approach);
    const streams = await streamsOf(inProcess, t);
    const tests = this.#rows.map((row) => {
      const { what, road, approach } = row;
      const travel = road === "streams" ? streams : roads[road];
      return t.test(`${what}, ${road}`, async () => {
        const startedMs = performance.now();
        row.said = await travel(approach);
        row.ms = performance.now() - startedMs;
        assertSaid(row);
      });
    });
    await Promise.all(tests);
  }

  toString(): string {
    const lines = this.#rows.map(({ what, road, said = [], ms = 0 }) => [
      what,
      road,
      [...new Set(said.map(({ code }) => code))].join(" → ") || "(well)",
      ms.toFixed(0),
      (said.at(-1)?.message ?? "").replaceAll(/:\d{4,5}\b/g, ":PORT").replace(/ \(request .*\)$/, ""),
    ]);
    return [["case", "road", "code", "ms", "message"], ...lines]
      .map(([what = "", road = "", code = "", ms = "", message = ""]) =>
        [what.padEnd(36), road.padEnd(7), code.padEnd(36), ms.padStart(5), message.slice(0, 110)].join(" | "),
      )
      .join("\n");
  }
}

function isExpected({ code, message }: Fault, expected: Expected, road: Road): boolean {
  return code === expected.code && message.includes(filled(expected.says ?? "", road));
}

function assertSaid({ road, expected, said = [] }: Row): void {
  const shown = inspect(
    said.map(({ code, layer, disposition, message, hint }) => ({ code, layer, disposition, message, hint })),
  );
  const { code, layer = "peer", says = "", hint = "", disposition = "retry" } = expected;
  const last = said.at(-1);
  assert.equal(last?.code ?? "", code, shown);
  for (const fault of said) assertPlain(fault);
  if (last === undefined) return;
  assert.equal(last.layer, filled(layer === "peer" ? "{peer}" : layer, road), shown);
  assert.equal(last.disposition, disposition, shown);
  assert.ok(last.message.includes(filled(says, road)), `says "${says}": ${shown}`);
  assert.ok(last.hint?.includes(filled(hint, road)), `hint "${hint}": ${shown}`);
}

/** No library's words, and no secret. */
function assertPlain({ message, hint = "" }: Fault): void {
  for (const text of [message, hint]) {
    assert.doesNotMatch(text, foreignWords);
    assert.ok(!text.includes(token) && !text.includes(password), text);
  }
}

function filled(text: string, road: Road): string {
  return text.replaceAll(/\{(\w+)\}/g, (_whole, word: string) => words[road][word] ?? assert.fail(word));
}
