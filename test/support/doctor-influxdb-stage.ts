/** For the tests of what is said of an InfluxDB: configurations, servers that give planted answers, and the findings. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import type { Examination, Finding } from "../../src/doctor/finding.ts";
import type { InfluxConfig } from "../../src/influx/config.ts";
import { Secret } from "../../src/lib/secret.ts";
import { influxConfig } from "./influx-http.ts";
import { listening } from "./tcp-server.ts";

export const token = "apiv3_secret-0123456789";

export function configOf(url: string, more: Partial<InfluxConfig> = {}): InfluxConfig {
  return influxConfig(url, {
    database: "farm",
    token: new Secret(token),
    writeTimeoutMs: 10_000,
    ...more,
  });
}

/** By what stands behind "influxdb.main." or "flight.main."; of several lines of one check the first. */
export interface Found {
  readonly all: readonly Finding[];
  readonly of: (check: string) => Finding;
}

const never = new AbortController().signal;

/** What an examination named "main" finds; each finding is one line, and shows no token. */
export async function foundBy(
  examination: Examination,
  { token: ofWrites, queryToken }: Pick<InfluxConfig, "token" | "queryToken">,
  signal: AbortSignal = never,
): Promise<Found> {
  const all: Finding[] = [];
  await examination((finding) => all.push(finding), signal);
  const said = inspect(all, { depth: 9 });
  for (const secret of [ofWrites, queryToken]) {
    assert.ok(secret === undefined || !said.includes(secret.reveal()), said);
  }
  for (const { check, text, hint = "x" } of all) {
    assert.match(check, /^(?:influxdb|flight)\.main\.[a-z_]+$/);
    for (const words of [text, hint]) assert.ok(words !== "" && !words.includes("\n"), said);
  }
  return {
    all,
    of: (check) => {
      const finding = all.find((one) => one.check.endsWith(`.main.${check}`));
      assert.ok(finding !== undefined, `${check} in ${said}`);
      return finding;
    },
  };
}

export function assertFailure(finding: Finding, code: string, cure: RegExp): void {
  assert.deepEqual([finding.severity, finding.code], ["failure", code], inspect(finding));
  assert.match(finding.hint ?? "", cure);
}

/** By method and path, "*" for all others: without that they are answered with 404. */
export type Answers = Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;

/** An InfluxDB of which single answers are planted. */
export async function planted(t: TestContext, answers: Answers): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = `${request.method} ${new URL(request.url ?? "/", "http://x").pathname}`;
    asked.push(path);
    request.resume();
    const answer = answers[path] ?? answers["*"];
    if (answer === undefined) response.writeHead(404).end("Not found");
    else answer(request, response);
  });
  const { port } = await listening(t, server);
  return { url: `http://127.0.0.1:${port}`, asked };
}

export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answers[string] {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function pong(version: string, build = "Core"): Answers[string] {
  return json(200, { product_name: `InfluxDB 3 ${build}`, version }, { "x-influxdb-build": build });
}
