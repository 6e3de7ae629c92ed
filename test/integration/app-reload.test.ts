/** A running daemon goes over to another configuration: real mosquitto, real journal, a sink that takes writes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AppLife, AppScene, assertOnce, cleanEnd, range, startSink } from "../support/app.ts";
import { uplink } from "../support/uplinks.ts";

const application = "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002";

function sourcesOf(life: AppLife): string[] {
  return life.app.snapshot().sources.map(({ name }) => name);
}

describe("sources", () => {
  test("one that is unchanged keeps its connection, a changed one has a new one, a removed one goes, an added one works", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const kept = scene.source("kept", `topics = ["application/${application}/device/+/event/+"]`);
    const old = (name: string): string => scene.source(name, `topics = ["${name}/#"]`);
    const life = await scene.start(await scene.config({ mqtt: kept + old("changed") + old("removed") }));
    const topics = 'topics = ["changed/now"]';
    const mqtt = kept + scene.source("changed", topics) + old("added");
    await life.app.reload(await scene.config({ mqtt }));
    await life.connected(3);
    assert.deepEqual(sourcesOf(life).toSorted(), ["added", "changed", "kept"]);
    assert.deepEqual(
      ["kept", "changed", "removed", "added"].map((name) => scene.connects(name)),
      [1, 2, 1, 1],
    );
    const parts = await life.partNames();
    assert.deepEqual(parts.filter((name) => name.startsWith("source ")).toSorted(), [
      "source added",
      "source changed",
      "source kept",
    ]);
    // It said goodbye: a broker that sees DISCONNECT sends no last will.
    assert.match(scene.broker.log(), /Client \S+-removed disconnected\./);

    await scene.publish(range(1, 20));
    await scene.publish([
      { ...uplink(21), topic: "changed/now" },
      { ...uplink(22), topic: "added/anything" },
      { ...uplink(23), topic: "removed/anything" },
    ]);
    await life.settled(22);
    assert.equal(life.app.snapshot().counters.received, 22, "nobody listens to what was removed");
    assert.deepEqual(await life.stop(), cleanEnd);
  });

  test("two reloads at once are one after the other", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const [a, b] = [scene.source("a"), scene.source("b", 'topics = ["b/#"]')];
    const [first, both] = [await scene.config({ mqtt: a }), await scene.config({ mqtt: a + b })];
    const tagged = await scene.config({ mqtt: a, more: '[tags]\nsite = "north"' });
    const life = await scene.start(first);
    await Promise.all([
      life.app.reload(both),
      life.app.reload(first),
      life.app.reload(both),
      life.app.reload(tagged),
    ]);
    assert.deepEqual(sourcesOf(life), ["a"]);
    assert.equal(scene.connects("a"), 1);
    await scene.publish(range(1, 5));
    await life.settled(5);
    const lines = [...scene.sink.taken.keys()].filter((line) => line.startsWith("uplink,"));
    assert.ok(lines.length === 5 && lines.every((line) => line.includes("site=north")));
    assert.deepEqual(await life.stop(), cleanEnd);
  });
});

describe("databases, tables, tags and routes", () => {
  test("while messages flow, each is written once, whatever is replaced, and the registry is right", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const second = await startSink(t);
    // Something is always under way.
    scene.sink.answerAfterMs = 60;
    second.answerAfterMs = 60;
    const life = await scene.start(await scene.config());
    const count = 1500;
    const publishing = scene.publish(range(1, count), 500);
    const tags = '[tags]\nsite = "north"';
    const profile = `${tags}\n[[profile]]\nmatch = { profile = "EM300-TH" }\ntable = "climate"`;
    const route = `${profile}\n[[route]]\nmatch = { application = "barns" }\ndatabase = "barns"`;
    const changes = [
      { more: tags },
      { more: profile },
      { more: route },
      { more: route, influxUrl: second.url },
      { more: tags, influxUrl: second.url, influxdb: "batch_max_lines = 50" },
      {},
    ];
    for (const [index, change] of changes.entries()) {
      const due = 200 * (index + 1);
      await life.until(() => life.app.snapshot().counters.received >= due, `${due} messages`);
      await life.app.reload(await scene.config(change));
    }
    assert.ok(life.app.snapshot().counters.received < count, "messages came all the time");
    await publishing;
    await life.settled(count);
    await life.projected();
    assertOnce(count, scene.sink, second);
    await scene.publish([uplink(5), uplink(700)]);
    await life.settled(count + 2);
    assertOnce(count, scene.sink, second);
    assert.ok(scene.sink.uplinks.size > 0 && second.uplinks.size > 0);
    const lines = [...scene.sink.taken.keys()];
    assert.ok(
      lines.some((line) => line.startsWith("climate,")),
      "the profile was heeded",
    );
    const { counters, registry, sources } = life.app.snapshot();
    assert.deepEqual([counters.written, counters.duplicates, counters.received], [count, 2, count + 2]);
    assert.deepEqual([registry.devices, registry.missed], [10, 0]);
    assert.equal(sources[0]?.connects, 1, "no source noticed");
    assert.deepEqual(await life.stop(), cleanEnd);
    const next = scene.open(await scene.config());
    assert.deepEqual([next.app.snapshot().registry.devices, next.app.snapshot().registry.lag], [10, 0]);
  });

  test("a token that changed is noticed, and one that did not replaces nothing", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const withToken = async (token: string) => await scene.config({ influxdb: `token = "${token}"` });
    const life = await scene.start(await withToken("first"));
    await scene.publish(range(1, 5));
    await life.settled(5);
    const before = await life.status();
    await life.app.reload(await withToken("first"));
    const same = await life.status();
    const sinceOf = ({ status }: typeof before): number =>
      status.parts.find(({ name }) => name === "forward")?.sinceAgoMs ?? 0;
    assert.ok(sinceOf(same) > sinceOf(before), "the forwarder goes on");
    await life.app.reload(await withToken("second"));
    await scene.publish(range(6, 10));
    await life.settled(10);
    assert.deepEqual([...scene.sink.authorizations], ["Bearer first", "Bearer second"]);
    assertOnce(10, scene.sink);
    assert.deepEqual(await life.stop(), cleanEnd);
  });

  test("what was held back by what is gone is held back no more", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const life = await scene.start(await scene.config());
    scene.sink.status = 418;
    await scene.publish(range(1, 1));
    await life.until(() => life.app.snapshot().counters.held > 0, "a message that is held");
    scene.sink.status = 204;
    await life.app.reload(await scene.config({ more: '[tags]\nsite = "north"' }));
    await life.settled(1);
    assert.equal(life.app.snapshot().counters.held, 0);
    assertOnce(1, scene.sink);
    assert.deepEqual(await life.stop(), cleanEnd);
  });

  test("what only a restart can change is said, and the rest is carried out", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const life = await scene.start(await scene.config());
    const more = '[tags]\nsite = "north"\n[log]\nlevel = "debug"';
    const mqtt = `node = "barn"\n${scene.source("main")}`;
    await life.app.reload(await scene.config({ mqtt, journal: 'commit_interval = "30ms"', more }));
    await life.connected(1);
    assert.equal((await life.status()).status.node, "barn");
    assert.deepEqual(life.log.codes, ["reload_incomplete"]);
    assert.match(
      life.log.lines.find(({ code }) => code !== undefined)?.message ?? "",
      /^\[journal\], \[log\] changed/,
    );
    await scene.publish(range(1, 5));
    await life.settled(5);
    assert.ok([...scene.sink.taken.keys()].some((line) => line.includes("site=north")));
    assert.deepEqual(await life.stop(), cleanEnd);
  });
});

describe("a reload and the end", () => {
  test("during a stop it does not hang, and after it changes nothing", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const life = await scene.start(await scene.config());
    const other = await scene.config({ mqtt: scene.source("other"), more: '[tags]\nsite = "north"' });
    const again = await scene.config();
    const startedMs = performance.now();
    const before = life.app.reload(other);
    const ended = life.stop();
    const meanwhile = life.app.reload(again);
    assert.deepEqual(await ended, cleanEnd);
    await Promise.all([before, meanwhile]);
    assert.ok(performance.now() - startedMs < 5000);
    await life.app.reload(other);
    const next = await scene.start(again);
    await scene.publish(range(1, 5));
    await next.settled(5);
    assertOnce(5, scene.sink);
    assert.deepEqual(await next.stop(), cleanEnd);
  });
});
