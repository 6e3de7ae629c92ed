/** The mistakes of docs/influxdb-clustered.md are made, and what is seen of them is what stands there, to the letter. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Fault } from "../../src/lib/fault.ts";
import { startCluster, token, type Cluster } from "../support/topologies-cluster.ts";
import { changed, guideTopologies } from "../support/topologies-guide.ts";
import { enterNamespace } from "../support/topologies-namespace.ts";
import { Setup } from "../support/topologies-roads.ts";
import { mistakes, putFiles, watchMistake, withoutChance } from "../support/topologies-wrong.ts";

const namespace = await enterNamespace(import.meta.filename);
const skip = typeof namespace === "string" ? namespace : false;
const topologies = guideTopologies();

test("the page shows every mistake that is tried here, and no other", () => {
  const onPage = topologies.map(({ wrong }) => wrong.map(({ title }) => title));
  assert.deepEqual(
    onPage,
    mistakes.map((list) => list.map(({ title }) => title)),
  );
  for (const titles of onPage) assert.ok(titles.length >= 3);
});

describe("what is seen of a mistake is what the page shows", () => {
  let cluster: Cluster | undefined;

  before(async () => {
    if (typeof namespace !== "string") cluster = await startCluster(namespace);
  });
  after(async () => await cluster?.stop());

  for (const [section, { heading, wrong }] of topologies.entries()) {
    for (const mistake of mistakes[section] ?? []) {
      test(`${heading}: ${mistake.title}`, { skip }, async (t) => {
        assert.ok(typeof namespace !== "string" && cluster !== undefined);
        const onPage = wrong.find(({ title }) => title === mistake.title);
        const at = mistake.configuration ?? { section, index: 0 };
        const right = topologies[at.section]?.configurations[at.index];
        assert.ok(onPage !== undefined && right !== undefined);
        const etc = join(namespace.folder, "etc");
        namespace.setHosts(mistake.hosts);
        putFiles(etc, cluster);
        const setup = new Setup(etc, changed(right, onPage.changes));
        const expected = withoutChance(onPage.text);
        const seen = await watchMistake(
          mistake,
          setup,
          cluster,
          ({ text }) => withoutChance(text) === expected,
        );
        t.diagnostic(seen.text);
        assert.equal(withoutChance(seen.text), expected);
        if (mistake.check !== undefined) assert.match(seen.text, mistake.check);
        assertFault(seen.write, mistake.write);
        assertFault(seen.query, mistake.query);
        assert.ok(!seen.text.includes(token), "no token is said");
        assert.equal(cluster.standIn.flightFaults.waiting, 0, "each planted fault has fallen");
      });
    }
  }
});

function assertFault(fault: Fault | undefined, expected: readonly [string, RegExp] | undefined): void {
  assert.equal(fault?.code, expected?.[0]);
  if (fault !== undefined && expected !== undefined) assert.match(fault.hint ?? "", expected[1]);
}
