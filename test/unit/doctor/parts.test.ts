import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import { partsOf } from "../../../src/doctor/parts.ts";
import { temporaryFolder } from "../../support/wait.ts";
import { loadText } from "../config/fixture.ts";

const never = new AbortController().signal;

function configOf(urls: { mqtt: string; influxdb: string; flight: string }): Config {
  const loaded = loadText(`
    [[mqtt]]
    url = "${urls.mqtt}"
    [influxdb]
    url = "${urls.influxdb}"
    flight_url = "${urls.flight}"
    database = "x"`);
  return "config" in loaded ? loaded.config : assert.fail(JSON.stringify(loaded));
}

test("a neighbour is needed on this machine when the broker, InfluxDB or its Flight is here", async () => {
  await using folder = await temporaryFolder("doctor-parts");
  const systemctl = join(folder.path, "systemctl");
  const stopped = (unit: string): string =>
    `Id=${unit}\\nLoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n`;
  writeFileSync(
    systemctl,
    `#!/bin/sh\nprintf '${stopped("mosquitto.service")}\\n${stopped("influxdb3-core.service")}'\n`,
  );
  chmodSync(systemctl, 0o755);
  const needed = async (config: Config | undefined): Promise<string[]> => {
    const deps = { daemon: async () => undefined, systemctl, bootedDir: folder.path };
    const findings: Finding[] = [];
    const part = partsOf(config, deps).find(({ id }) => id === "systemd") ?? assert.fail();
    await part.examine((finding) => findings.push(finding), never);
    const prefix = "systemd.neighbour.";
    return findings.flatMap(({ check }) => (check.startsWith(prefix) ? check.slice(prefix.length) : []));
  };
  const away = { mqtt: "mqtt://a.example", influxdb: "http://b.example", flight: "http://c.example" };
  assert.deepEqual(await needed(undefined), []);
  assert.deepEqual(await needed(configOf(away)), []);
  assert.deepEqual(await needed(configOf({ ...away, mqtt: "mqtt://127.0.0.1" })), ["mosquitto"]);
  assert.deepEqual(await needed(configOf({ ...away, influxdb: "http://127.0.0.1:8181" })), [
    "influxdb3-core",
  ]);
  assert.deepEqual(await needed(configOf({ ...away, flight: "http://localhost:8182" })), ["influxdb3-core"]);
});
