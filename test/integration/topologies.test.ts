/**
 * The three ways to InfluxDB Clustered, with the configurations of docs/influxdb-clustered.md as they stand there:
 * their hosts, ports and server names are those of namespaces of the test's own.
 */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Fault } from "../../src/lib/fault.ts";
import { Authority, copyPair, serialOf } from "../support/topologies-certificates.ts";
import { otherDoors, startCluster, type Cluster } from "../support/topologies-cluster.ts";
import { guideTopologies, readPicture } from "../support/topologies-guide.ts";
import { enterNamespace } from "../support/topologies-namespace.ts";
import { doors } from "../support/topologies-nginx.ts";
import { Roads, Setup } from "../support/topologies-roads.ts";
import { balancedBy, gatewayAt, putFiles, servedBy } from "../support/topologies-wrong.ts";
import { waitFor } from "../support/wait.ts";

const namespace = await enterNamespace(import.meta.filename);
const skip = typeof namespace === "string" ? namespace : false;
const topologies = guideTopologies();
const [balanced, plaintext, meshed] = topologies.map(({ configurations }) => configurations);

/** Rows are of the device that a case is called. */
const cases = [
  { name: "load-balancer", toml: balanced?.[0], hosts: balancedBy(doors.balancer) },
  { name: "two-hosts", toml: balanced?.[1], hosts: balancedBy(doors.balancer) },
  { name: "plaintext", toml: plaintext?.[0], hosts: servedBy(doors.services) },
  { name: "sidecars", toml: plaintext?.[0], hosts: servedBy(doors.meshedServices) },
  { name: "gateway", toml: meshed?.[0], hosts: gatewayAt(doors.gateway) },
  { name: "envoy", toml: meshed?.[0], hosts: gatewayAt(otherDoors.envoy) },
] as const;

describe("a documented configuration", () => {
  let cluster: Cluster | undefined;
  const etc = typeof namespace === "string" ? "" : join(namespace.folder, "etc");

  before(async () => {
    if (typeof namespace !== "string") cluster = await startCluster(namespace);
  });
  after(async () => await cluster?.stop());

  function setUp(toml: string | undefined, hosts: Readonly<Record<string, string>>): Setup {
    assert.ok(toml !== undefined && cluster !== undefined && typeof namespace !== "string");
    namespace.setHosts(hosts);
    putFiles(etc, cluster);
    return new Setup(etc, toml);
  }

  function roadsOf(setup: Setup): Roads {
    const config = setup.load();
    if (typeof config === "string") assert.fail(config);
    return new Roads(config);
  }

  for (const { name, toml, hosts } of cases) {
    test(`writes, reads the schema and answers queries: ${name}`, { skip }, async () => {
      const setup = setUp(toml, hosts);
      assert.ok(cluster !== undefined);
      const { counters } = cluster.standIn;
      const roads = roadsOf(setup);
      const writesBefore = counters.writes;
      assert.equal(await roads.write({ device: name, n: 1 }), undefined);
      assert.equal(await roads.write({ device: name, n: 2 }), undefined);
      assert.equal(counters.writes - writesBefore, 2, "each of them by the write API that Clustered has");
      const schema = await roads.schema();
      assert.ok(schema.kind === "read", JSON.stringify(schema));
      const columns = schema.columns.map(({ column, type }) => `${column} ${type}`);
      assert.deepEqual(columns.toSorted(), ["dev_eui tag", "n integer", "time time"]);
      assert.deepEqual(await roads.query(name), [1, 2]);
      await roads.close();
    });
  }

  // The commands share /etc/hosts, so each name of the page leads to one address here.
  test(
    "is right for `flightline check`, and `flightline query` prints rows: one of each topology",
    { skip },
    async () => {
      const hosts = {
        ...balancedBy(doors.balancer),
        ...servedBy(doors.services),
        ...gatewayAt(doors.gateway),
      };
      const distinct = cases.filter(({ name }) => ["load-balancer", "plaintext", "gateway"].includes(name));
      await Promise.all(
        distinct.map(async ({ name, toml }) => {
          setUp(toml, hosts);
          const setup = new Setup(etc, toml ?? "", `${name}.toml`);
          const sql = `SELECT dev_eui, sum(n) AS n FROM uplink WHERE dev_eui = '${name}' GROUP BY dev_eui`;
          const { code, out } = await setup.run(["query", sql, "--format", "csv"]);
          assert.deepEqual([code, out], [0, `dev_eui,n\n${name},3\n`]);
          if (name !== "gateway") return;
          const checked = await setup.run(["check"]);
          assert.deepEqual(
            [checked.code, checked.out],
            [
              0,
              "/etc/flightline/gateway.toml: ok (1 source, database lorawan at https://gateway.example.com)\n",
            ],
          );
        }),
      );
    },
  );

  test("takes new certificates while it runs, and a query under way comes to its end", { skip }, async () => {
    assert.ok(cluster !== undefined);
    const { standIn, nginx, mesh, certificates, certificatesFolder } = cluster;
    const roads = roadsOf(setUp(meshed?.[0], gatewayAt(doors.gateway)));
    assert.equal(await roads.write({ device: "rotation", n: 1 }), undefined);
    assert.deepEqual(await roads.query("rotation"), [1]);
    assert.equal(nginx.clientSerials().at(-1), serialOf(certificates.client.cert));

    const queriesBefore = standIn.flightCounters.queries;
    standIn.flightFaults.nextQueries({ kind: "drip", delayMs: 500 });
    const underWay = roads.query("rotation");
    await waitFor(() => standIn.flightCounters.queries > queriesBefore, {
      what: "the query to be under way",
    });
    const renewed = new Authority(certificatesFolder, "renewed-ca");
    copyPair(renewed.issue("renewed-gateway", "subjectAltName=DNS:influxdb.mesh.internal"), mesh);
    copyFileSync(renewed.file, mesh.ca);
    await nginx.reload();
    assert.deepEqual(await underWay, [1]);
    assert.equal(standIn.flightFaults.seen.drip, 1);

    // The gateway's certificate is of an authority that the old ca_file does not have.
    const between = [await roads.write({ device: "rotation", n: 2 }), await roads.query("rotation")];
    assert.deepEqual(
      between.map((fault) => (fault instanceof Fault ? fault.code : fault)),
      ["tls_unknown_ca", "tls_unknown_ca"],
    );
    const client = renewed.issue("renewed-client", "extendedKeyUsage=clientAuth");
    copyFileSync(renewed.file, join(etc, "mesh-ca.pem"));
    copyPair(client, { cert: join(etc, "flightline.pem"), key: join(etc, "flightline.key") });
    assert.equal(await roads.write({ device: "rotation", n: 2 }), undefined);
    assert.deepEqual(await answered(roads, "rotation"), [1, 2]);
    assert.deepEqual(nginx.clientSerials().slice(-2), [serialOf(client.cert), serialOf(client.cert)]);
    await roads.close();
  });
});

/** gRPC waits about a second between two connections that fail: until then the last one's fault stands. */
async function answered(roads: Roads, device: string): Promise<readonly number[] | Fault> {
  let answer: readonly number[] | Fault = [];
  await waitFor(
    async () => {
      answer = await roads.query(device);
      return !(answer instanceof Fault);
    },
    { what: "an answer", everyMs: 100 },
  );
  return answer;
}

describe("the pictures of the page", () => {
  test("show each host and port of the configurations", () => {
    assert.equal(topologies.length, 3);
    for (const { picture, configurations, heading } of topologies) {
      const drawn = textOf(readPicture(picture));
      const urls = configurations.flatMap((toml) => [...toml.matchAll(/"https?:\/\/([^"]+)"/g)]);
      assert.ok(urls.length > 0, heading);
      for (const [, host = ""] of urls) assert.ok(drawn.includes(host), `${picture} does not show ${host}`);
    }
  });

  test("are small, say in words what they show, look the same anywhere, and know of dark screens", () => {
    for (const { picture, altText } of topologies) {
      const svg = readPicture(picture);
      assert.ok(svg.length < 6000, `${picture}: ${svg.length} bytes`);
      assert.ok(altText.length > 60, `${picture} has a text in its place`);
      const [, description = ""] = /<desc id="desc">([^<]+)<\/desc>/.exec(svg) ?? [];
      assert.ok(/<title id="title">[^<]{10,}<\/title>/.test(svg) && description.length > 200, picture);
      assert.match(svg, /role="img" aria-labelledby="title desc"/);
      assert.match(svg, /@media \(prefers-color-scheme: dark\)/);
      const links = svg
        .replace('xmlns="http://www.w3.org/2000/svg"', "")
        .match(/https?:|@import|@font-face|href|data:/g);
      assert.equal(links, null, `${picture} needs nothing from elsewhere`);
    }
  });
});

/** What is drawn, not the description. */
function textOf(svg: string): string {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text).join("\n");
}
