/** What is told of the way to a server, and which addresses a secret may travel to in plaintext. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Finding } from "../../../src/doctor/finding.ts";
import { Lines } from "../../../src/doctor/lines.ts";
import type { ProbeReport } from "../../../src/net/probe-report.ts";
import { isNear, tellWay, type Way } from "../../../src/doctor/way.ts";

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

const startedAtMs = Date.UTC(2030, 0, 1);

/** Of name, tcp and tls, as of a server that has answered. */
function told(changes: Partial<ProbeReport>, more: Partial<Way> = {}): Finding[] {
  const findings: Finding[] = [];
  const lines = new Lines("x", [], (finding) => findings.push(finding));
  const address = "127.0.0.1";
  const report = {
    speaks: "http",
    usesTls: false,
    startedAtMs,
    ms: 1,
    resolve: { ms: 1, addresses: ["::1", address] },
    connect: { ms: 1, attempts: [{ address, ms: 1 }] },
    ...changes,
  } as const;
  const way = { url: "http://localhost:8181", tls: { verify: true }, secret: "token", ...more } as const;
  tellWay(lines, way, report, undefined, new Set(["name", "tcp", "tls"]));
  return findings;
}

test("a name of which one address does not answer is fine: connections try the others", () => {
  const attempts = [
    { address: "::1", ms: 1, failure: "refused" },
    { address: "127.0.0.1", ms: 1 },
  ] as const;
  const [, tcp] = told({ connect: { ms: 1, attempts } });
  assert.equal(tcp?.severity, "ok");
  assert.match(
    tcp.text,
    /connected to 127\.0\.0\.1, 1 ms \(1 of 2 addresses connect, and not ::1: refused\)/,
  );
});

test("a secret in plaintext is a warning where it leaves private networks", () => {
  const verdict = (addresses: readonly string[], more: Partial<Way> = {}): string | undefined =>
    told({ resolve: { ms: 1, addresses } }, more)[2]?.severity;
  for (const secret of ["token", "password"] as const) {
    assert.equal(verdict(["::1"], { secret }), "ok");
    assert.equal(verdict(["10.0.0.1", "fd12::1"], { secret }), "ok");
    assert.equal(verdict(["10.0.0.1", "8.8.8.8"], { secret }), "warning");
    assert.equal(verdict([], { secret, proxy: { url: "http://10.0.0.1:3128", setting: "x" } }), "warning");
  }
  assert.equal(verdict(["8.8.8.8"], { secret: undefined }), "ok");
});

test("of a chain the certificate counts that ends in its last third, and else the first that ends", () => {
  const dayMs = 86_400_000;
  const tls = (...left: readonly (readonly [lifeDays: number, leftDays: number])[]): Finding | undefined =>
    told({
      usesTls: true,
      tls: {
        ms: 1,
        bytes: 1000,
        chain: left.map(([lifeDays, days]) => ({
          subject: "CN=x",
          issuer: "CN=issuer",
          names: "",
          validFromMs: startedAtMs + (days - lifeDays) * dayMs,
          validToMs: startedAtMs + days * dayMs,
          sha256: "",
        })),
        isVerified: true,
        mustVerify: true,
        asksForCertificate: false,
        hasCertificate: false,
      },
    })[2];
  assert.deepEqual(
    [tls([1, 0.9])?.severity, tls([1, 0.3])?.severity, tls([90, 15])?.severity, tls([90, 13])?.severity],
    ["ok", "warning", "ok", "warning"],
  );
  const fresh = tls([1, 0.9], [365, 10]);
  assert.equal(fresh?.severity, "warning");
  assert.match(
    fresh.text,
    /expires in 10 days: TLS, certificate issued by CN=issuer, valid until 2030-01-11/,
  );
});
