/** Which addresses a token may travel to in plaintext. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isNear } from "../../../src/doctor/influxdb-connection.ts";

test("addresses of this machine and of private networks are near, and their neighbours are not", () => {
  const near =
    "127.0.0.1 ::1 ::ffff:127.0.0.1 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1 169.254.1.1 " +
    "100.64.0.1 100.127.255.255 fc00::1 fd12:3456::1 fe80::1 febf::1";
  const far =
    "9.255.255.255 11.0.0.1 172.15.255.255 172.32.0.1 192.167.1.1 192.169.1.1 100.63.255.255 100.128.0.1 " +
    "8.8.8.8 127 2001:db8::1 fec0::1 ff02::1 ::ffff:8.8.8.8 ::2";
  for (const address of near.split(" ")) assert.ok(isNear(address), address);
  for (const address of far.split(" ")) assert.ok(!isNear(address), address);
});
