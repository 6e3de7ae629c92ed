/**
 * Everything that can be wrong between the daemon and InfluxDB or a broker, built for real, on every road that it
 * concerns: the cause and the hint that are said. The table of all of it is in the test's output.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { influxSchema } from "../../src/influx/config.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { flightConfigOf } from "../../src/influx/flight/config.ts";
import { createWriter } from "../../src/influx/writer.ts";
import { Secret } from "../../src/lib/secret.ts";
import { startStageProxies } from "../support/connection-stage-proxies.ts";
import { httpCases } from "../support/connection-stage-http.ts";
import { stageNames } from "../support/connection-stage-names.ts";
import { networkCases } from "../support/connection-stage-network.ts";
import { ownCertificateCases } from "../support/connection-stage-own-certificates.ts";
import { FailureTable } from "../support/connection-stage-table.ts";
import { tlsCases } from "../support/connection-stage-tls.ts";
import { openStage } from "../support/connection-stage.ts";

test("a connection that fails", { concurrency: 12 }, async (t) => {
  const stage = await openStage(t);
  if (stage === undefined) return;
  const names = await stageNames(t);
  const proxies = await startStageProxies(t, stage);
  const cases = [
    ...networkCases(stage, names),
    ...tlsCases(stage),
    ...ownCertificateCases(stage),
    ...httpCases(stage, proxies),
  ];
  const table = new FailureTable(cases, stage.files.made.root);
  await table.check(t);
  t.diagnostic(`\n${table.toString()}`);
});

test("a token with a line break is refused before any connection, and nobody repeats it", async () => {
  const keys = { url: "http://127.0.0.1:1", database: "lorawan" };
  const broken = "apiv3_first-half\nsecond-half";
  const isHidden = (thing: unknown): void => {
    assert.doesNotMatch(inspect(thing, { depth: 20, showHidden: true }), /first-half|second-half/);
  };
  for (const key of ["token", "token_file", "query_token", "query_token_file"]) {
    const { error } = influxSchema.safeParse({ ...keys, [key]: broken });
    assert.deepEqual(
      error?.issues.map(({ path }) => path),
      [[key]],
    );
    assert.match(error?.issues[0]?.message ?? "", /line break/);
    isHidden(error);
  }
  // What came around the configuration would be a bug of ours.
  const config = { ...influxSchema.parse(keys), token: new Secret(broken) };
  assert.throws(
    () => createWriter(config),
    (bug) => (isHidden(bug), /BUG/.test(String(bug))),
  );
  const client = createFlightClient(flightConfigOf(config));
  await assert.rejects(
    client.query({ text: "SELECT 1" }).rows().collect(),
    (bug) => (isHidden(bug), /BUG/.test(String(bug))),
  );
  client.close();
});
