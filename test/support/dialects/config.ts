/** The configuration under which the messages become what is expected of them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dataFolder } from "../daemon.ts";

/** Returns the path of the file. */
export function writeDialectConfig(folder: string, mqttUrl: string, influxUrl: string): string {
  const file = join(folder, "flightline.toml");
  const text = `
    node = "gw-1"
    [[mqtt]]
    url = "${mqttUrl}"
    topics = [
      "application/+/device/+/event/+", "application/+/device/+/rx", "ug65/+",
      "+/gateway/+/event/+", "+/gateway/+/state/conn", "gateway/+/event/stats",
    ]
    [[mqtt]]
    name = "site2"
    url = "${mqttUrl}"
    topics = ["remote/site2/#"]
    [journal]
    dir = "${dataFolder(folder)}"
    [influxdb]
    url = "${influxUrl}"
    database = "lorawan"
    batch_max_age = "100ms"
    [[route]]
    match = { tenant = "Tenant B" }
    database = "tenant_b"
    [[route]]
    match = { source = "site2" }
    database = "site_2"
    [tags]
    site = "barn-7"
    [telemetry]
    device_tags = ["building"]
    [[profile]]
    match = { profile = "EM300-TH" }
    table = "climate"
    rename = { temp = "temperature" }
    unit = { battery_voltage = "mV to V" }
    drop = ["codecVersion"]
    [[profile]]
    match = { profile = "LHT65N" }
    table = "climate"
    rename = { BatV = "battery_voltage", TempC_SHT = "temperature", Hum_SHT = "humidity", TempC_DS = "probe_temperature" }
    scale = { humidity = { factor = 1, offset = -0.5 } }
    sentinel = { probe_temperature = [327.67] }
    [clock]
    ntp = "ignore"
    [log]
    format = "json"`;
  writeFileSync(file, text);
  return file;
}
