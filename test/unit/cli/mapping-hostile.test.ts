/** Whatever devices, codecs and people call things: the terminal is safe and the TOML is right. */
import * as fc from "fast-check";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse } from "smol-toml";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { mappingShowCommand } from "../../../src/cli/mapping.ts";
import { cut, fill, harmless, harmlessToml, widthOf, wrap } from "../../../src/cli/mapping-layout.ts";
import { profileSchema } from "../../../src/telemetry/profile-config.ts";
import { barn, show, showJson, site, uplink } from "./mapping-fixture.ts";

/** All that a terminal would not just print, but for the ends of our lines. */
const dangerous = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;

function assertHarmless(text: string): void {
  assert.doesNotMatch(text.replaceAll("\n", ""), dangerous);
}

function proposalsIn(out: string): unknown[] {
  return out
    .split(/^(?=# from )/m)
    .slice(1)
    .map((text) => {
      const toml = text.split(/^\S.*: the last \d+ payload/m)[0] ?? "";
      return profileSchema.parse((parse(toml)["profile"] as unknown[])[0]);
    });
}

/** Escape sequences, a change of direction, tags that nobody sees, half a character, a line end, a long one. */
const nasty = [
  "\u001b[2J\u001b]0;owned\u0007",
  "\u009b31m",
  "a\u202edcba",
  "\u{e0041}\u{e0042}",
  "\ud800x",
  "one\r\ntwo\u2028three",
  "k".repeat(600),
  "",
  " ",
  'quote"back\\slash',
  "__proto__",
  "温度".repeat(30),
];

describe("hostile names", () => {
  test("of keys, values, devices and profiles reach no terminal as they are", async (t) => {
    const sent = nasty.flatMap((name, n) =>
      [0, 1].map((twice) =>
        uplink(
          n * 2 + twice,
          { [`${name}_mV`]: 3300, [`${name}Version`]: name, [name]: n % 2 === 0 ? name : 327.67 },
          { ...barn, deviceName: name, deviceProfileName: name },
        ),
      ),
    );
    const where = site(t, sent);
    const { code, out, err } = await show(where, barn.devEui);
    assert.deepEqual([code, err], [0, ""]);
    assertHarmless(out);
    assert.ok(out.includes("\\u001b[2J\\u001b]0;owned\\u0007"));
    const proposals = proposalsIn(out);
    assert.ok(proposals.length >= 5, `${proposals.length} proposals`);

    for (const name of nasty.filter((name) => name !== "")) {
      const nothing = await show(where, `${name}?`);
      assert.equal(nothing.code, 1);
      assertHarmless(nothing.err);
      for (const line of nothing.err.split("\n").slice(1)) assert.ok(widthOf(line) <= 80, line);
    }
    const { json } = await showJson(where, barn.devEui);
    const profiles = json["profiles"] as {
      readonly profile_name: string;
      readonly keys: { path: string }[];
    }[];
    const [escape] = profiles.filter(({ profile_name }) => profile_name.startsWith("\u001b"));
    assert.deepEqual(
      escape?.keys.map(({ path }) => path),
      [nasty[0], `${nasty[0]}Version`, `${nasty[0]}_mV`],
    );
  });

  test("--json itself is printable on one line", async (t) => {
    const where = site(t, [uplink(0, { "\u009b31m\u202e": "\u007f\u2028" })]);
    const written: string[] = [];
    const io = { out: (text: string) => written.push(text), err: assert.fail, env: {}, isTerminal: false };
    await mappingShowCommand(
      { config: where.configFile, name: barn.devEui, messages: 10, payloads: 10, json: true },
      { ...io, signal: new AbortController().signal },
    );
    assertHarmless(written.join(""));
    assert.equal(written.join("").split("\n").length, 2);
  });

  test("a codec that invents keys does not fill the screen", async (t) => {
    const sent = Array.from({ length: 20 }, (_, n) =>
      uplink(n, Object.fromEntries(Array.from({ length: 50 }, (_, k) => [`k${n}_${k}`, k]))),
    );
    const where = site(t, sent);
    const { out } = await show(where, "EM300-TH");
    assert.match(out, /^ {2}… and 700 more keys, which --json tells$/m);
    assert.equal(out.match(/^ {2}k\d+_\d+ /gm)?.length, 300);
    const { json } = await showJson(where, "EM300-TH");
    assert.equal((json["profiles"] as { readonly keys: unknown[] }[])[0]?.keys.length, 1000);
  });

  test("whatever the payloads are, lines fit 80 columns and proposals fit the configuration", async (t) => {
    const key = fc
      .tuple(fc.string({ unit: "binary", maxLength: 30 }), fc.constantFrom("", "_mV", "Version", "tempF"))
      .map(([start, end]) => `${start}${end}`);
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(327.67, "12", true, null, 7));
    const objects = fc.array(fc.dictionary(key, value, { maxKeys: 5 }), { minLength: 1, maxLength: 3 });
    let proposals = 0;
    const where = site(t, []);
    await fc.assert(
      fc.asyncProperty(objects, fc.string({ unit: "binary" }), async (payloads, deviceProfileName) => {
        const device = { ...barn, deviceProfileName };
        const sent = [...payloads, ...payloads].map((object, n) => uplink(n, object as JsonObject, device));
        where.journal.commit(sent);
        const { code, out } = await show(where, barn.devEui, { messages: sent.length });
        assert.equal(code, 0);
        assertHarmless(out);
        const [table = ""] = out.split("\n\nProposal, ");
        for (const line of table.split("\n")) assert.ok(widthOf(line) <= 80, line);
        proposals += proposalsIn(out).length;
      }),
      { seed: 8, numRuns: 40 },
    );
    assert.ok(proposals > 20, `${proposals} proposals`);
  });
});

describe("layout", () => {
  test("harmless JSON and harmless TOML mean what they meant", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.equal(JSON.parse(harmless(JSON.stringify(text))), text);
        const toml = `# ${text.replaceAll(/\p{Cc}/gu, "")}\n${JSON.stringify(text).replaceAll("\u007f", "")} = 1\n`;
        assert.doesNotMatch(harmlessToml(toml).replaceAll("\n", ""), dangerous);
        if (!/\p{Cc}|\p{Cs}/u.test(text)) assert.deepEqual(parse(harmlessToml(toml)), parse(toml));
      }),
      { seed: 8 },
    );
    assert.equal(harmless("a\u001bb\u{e0041}"), "a\\u001bb\\udb40\\udc41");
    assert.deepEqual(Object.keys(parse(harmlessToml('"\u202e\u{e0041}" = 1'))), ["\u202e\u{e0041}"]);
  });

  test("widths count what terminals draw", () => {
    assert.equal(widthOf("abc"), 3);
    assert.equal(widthOf("温度"), 4);
    assert.equal(widthOf("Ställe"), 6);
    assert.equal(widthOf("Sta\u0308lle"), 6);
    assert.equal(widthOf("🐄"), 2);
  });

  test("cut and fill take exactly the room that there is", () => {
    assert.equal(cut("abcdef", 6), "abcdef");
    assert.equal(cut("abcdefg", 6), "abcde…");
    assert.equal(cut("温度计", 5), "温度…");
    assert.equal(fill("ab", 4), "ab  ");
    assert.equal(fill("温度计", 4), "温… ");
  });

  test("lines break at spaces, or anywhere when there are none, and end after so many", () => {
    assert.deepEqual(wrap("one two three", 8, 5), ["one two", "three"]);
    assert.deepEqual(wrap("one two", 3, 5), ["one", "two"]);
    assert.deepEqual(wrap("abcdefgh ij", 3, 5), ["abc", "def", "gh", "ij"]);
    assert.deepEqual(wrap("one two three four", 5, 2), ["one", "two …"]);
    assert.deepEqual(wrap("", 5, 2), [""]);
  });
});
