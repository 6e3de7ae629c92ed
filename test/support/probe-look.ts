/** A probe and what it means, case by case: a table of causes and hints in the test's output. */
import assert from "node:assert/strict";
import type { Fault } from "../../src/lib/fault.ts";
import type { TlsConfig } from "../../src/net/config.ts";
import type { Target } from "../../src/net/diagnose.ts";
import { explain } from "../../src/net/probe-explain.ts";
import type { ProbeReport, Speaks } from "../../src/net/probe-report.ts";
import { probe } from "../../src/net/probe.ts";

/** For what answers, which need not be soon on a busy machine. */
const patientMs = 5000;
/** For what does not answer. */
export const hastyMs = 900;

const targets: Readonly<Record<Speaks, Target>> = { http: "write", grpc: "flight", mqtt: "broker" };

interface Seen {
  readonly report: ProbeReport;
  readonly fault: Fault | undefined;
}

export async function look(
  url: string,
  speaks: Speaks,
  tls: TlsConfig,
  timeoutMs = patientMs,
): Promise<Seen> {
  const report = await probe({ url, tls, speaks, timeoutMs });
  assert.ok(report.ms < 2 * timeoutMs + 1000, `${url} took ${report.ms} ms`);
  assert.deepEqual(structuredClone(report), report, "a report is plain data");
  return { report, fault: explain(report, { target: targets[speaks], url }) };
}

/** What it is, where, what is expected there, the code ("" for none), what sentence and hint contain. */
export type Case = readonly [string, string, Speaks, string, RegExp, RegExp, TlsConfig?];

export const any = /./;

export async function check(
  t: { diagnostic(message: string): void },
  trusting: TlsConfig,
  cases: readonly Case[],
  timeoutMs?: number,
): Promise<void> {
  const seen = await Promise.all(
    cases.map(([, url, speaks, , , , tls = trusting]) => look(url, speaks, tls, timeoutMs)),
  );
  for (const [index, [what, , speaks]] of cases.entries()) {
    const fault = seen[index]?.fault;
    const said = fault === undefined ? "nothing wrong" : `${fault.code}: ${fault.message} → ${fault.hint}`;
    t.diagnostic(`${what} (${speaks}) | ${said.replaceAll(/:\d{4,5}\b/g, ":PORT")}`);
  }
  for (const [index, [what, , , code, sentence, hint]] of cases.entries()) {
    const fault = seen[index]?.fault;
    assert.equal(fault?.code ?? "", code, `${what}: ${JSON.stringify(seen[index])}`);
    if (fault === undefined) continue;
    assert.match(fault.message, sentence, what);
    assert.match(fault.hint ?? "", hint, what);
    assert.doesNotMatch(fault.message, /SSL routines|ECONN|socket/, what);
  }
}
