/** Which lines an answer names, and when it is believed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { linesOf } from "../../../src/influx/refusal-lines.ts";
import { readJson } from "../../../src/influx/refusal-json.ts";
import { readRefusal } from "../../../src/influx/refusal.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";

function numbersIn(body: unknown, written: string): number[] {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return readRefusal(text, written).lines.map(({ number }) => number);
}

const named = (line_number: number, original_line?: string): unknown => ({
  error: "line protocol parsing error",
  data: { error_message: "e", line_number, original_line },
});

/** What InfluxDB shows of a line: 20 bytes, rounded down to a character. */
function firstBytes(line: string): string {
  return Buffer.from(line)
    .subarray(0, 20)
    .toString("utf8")
    .replace(/\ufffd+$/, "");
}

/** As Rust writes a float: never with an exponent. */
function expanded(value: number): string {
  const [digits = "", exponent] = String(value).split("e");
  if (exponent === undefined) return digits;
  const [whole = "", fraction = ""] = digits.replace("-", "").split(".");
  const point = whole.length + Number(exponent);
  const sign = value < 0 ? "-" : "";
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${whole}${fraction}`;
  return `${sign}${(whole + fraction).padEnd(point, "0")}`;
}

describe("the line that an answer shows", () => {
  test("must be how the line of that number begins", () => {
    const written = "uplink,dev_eui=0102030405060708 f=1 1\ndevice_status,dev_eui=01 f=1 2";
    assert.deepEqual(numbersIn(named(1, "uplink,dev_eui=01020"), written), [1]);
    assert.deepEqual(numbersIn(named(2, "device_status,dev_eu"), written), [2]);
    assert.deepEqual(numbersIn(named(2, "uplink,dev_eui=01020"), written), []);
    assert.deepEqual(numbersIn(named(1, "something else"), written), []);
    assert.deepEqual(numbersIn(named(1), written), [1]);
    assert.deepEqual(numbersIn(named(1, ""), written), [1]);
  });

  test("may be all of it, as early servers send it", () => {
    const written = "uplink,dev_eui=0102030405060708 f=1.0 1";
    assert.deepEqual(numbersIn(named(1, "uplink,dev_eui=0102030405060708 f=1 1"), written), [1]);
  });

  test("may be the server's rendering of it, without the quotes of strings", () => {
    assert.deepEqual(numbersIn(named(1, "m t=hi,u=ho 1"), 'm t="hi",u="ho" 1'), [1]);
    assert.deepEqual(numbersIn(named(1, 'm\\,x,a\\ b=c t="q'), String.raw`m\,x,a\ b=c t="\"q" 1`), [1]);
  });

  test("may be all of it in the server's rendering, down to how it writes numbers", () => {
    const fields = [
      { name: "text", type: "string", value: String.raw`a "b", c=1.0,d \ e` },
      { name: "huge", type: "float", value: 1.5e21 },
      { name: "tiny", type: "float", value: -5e-7 },
      { name: "plain", type: "float", value: 21.25 },
      { name: "count", type: "integer", value: 42 },
      { name: "flag", type: "boolean", value: true },
    ] as const;
    const tags = [{ name: "site", value: "a b,c=d" }];
    const line = encodeLine({ table: "my table", tags, fields, timeNs: 1_700_000_000_000_000_000n }) ?? "";
    const rendered =
      String.raw`my\ table,site=a\ b\,c\=d text=a \"b\", c=1.0,d \ e,huge=1500000000000000000000,tiny=-0.0000005,` +
      "plain=21.25,count=42i,flag=true 1700000000000000000";
    const other = line.replace("plain=21.25", "plain=21.5");
    for (const shown of [line, rendered]) {
      assert.deepEqual(numbersIn(named(2, shown), ["x f=1 1", line].join("\n")), [2], shown);
      assert.deepEqual(numbersIn(named(2, shown), [line, other].join("\n")), [], shown);
    }
  });

  test("is compared whole: a line of the same table does for no other one", () => {
    const line = (value: number): string => `uplink,dev_eui=0102030405060708 f=${value} 170000000${value}`;
    const written = [1, 2, 3].map(line).join("\n");
    assert.deepEqual(numbersIn(named(2, line(3)), written), []);
    assert.deepEqual(numbersIn(named(3, line(3)), written), [3]);
    assert.deepEqual(numbersIn(named(2, line(3).slice(0, 20)), written), [2], "20 bytes say no more");
    assert.deepEqual(numbersIn(named(1, `${line(1)}2`), written), [], "longer than the line itself");
    const ofTag = (digits: string): string => `uplink,dev_eui=${digits},site=a f=1 1`;
    const [one, other] = [ofTag("9007199254740992"), ofTag("9007199254740993")];
    assert.deepEqual(
      numbersIn(named(1, other), [one, other].join("\n")),
      [],
      "digits of tags are no numbers",
    );
  });

  test("of a server that counts from 0 no good line is believed to be bad, though all are of one table", () => {
    const float = fc.double({ noNaN: true, noDefaultInfinity: true });
    const row = fc.record({
      devEui: fc.constantFrom("0102030405060708", "0102030405060709"),
      value: fc.oneof(fc.constantFrom(0, 1, 1.5), float),
      text: fc.constantFrom("", "on", 'a "b"', "x\ny"),
    });
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 40, maxLength: 40 }),
        fc.nat(39),
        fc.boolean(),
        (rows, bad, all) => {
          const lines = rows.map(({ devEui, value, text }, index) => ({
            ours: `uplink,dev_eui=${devEui} f_cnt=7i,t=${JSON.stringify(text).replace("\\n", "\n")},v=${value} ${1700000000 + index}`,
            shown: `uplink,dev_eui=${devEui} f_cnt=7i,t=${text.replaceAll('"', String.raw`\"`)},v=${expanded(value)} ${1700000000 + index}`,
          }));
          const written = lines.map(({ ours }) => ours).join("\n");
          const claims = lines.map(({ shown }, index) => ({
            error_message: "e",
            line_number: index,
            original_line: shown,
          }));
          const data = all ? claims.slice(bad) : claims[bad];
          assert.deepEqual(numbersIn({ error: "e", data }, written), []);
          const right = { error_message: "e", line_number: bad + 1, original_line: lines[bad]?.shown };
          assert.deepEqual(numbersIn({ error: "e", data: right }, written), [bad + 1]);
        },
      ),
    );
  });

  test("may end in the middle of a character", () => {
    const written = "m,ort=Hüttenböden\u{1F986} f=1 1";
    for (let end = 1; end <= 24; end += 1) {
      const shown = Buffer.from(written).subarray(0, end).toString("utf8");
      assert.deepEqual(numbersIn(named(1, shown), written), [1], shown);
    }
    assert.deepEqual(numbersIn(named(1, "m,ort=Hüttenbu\ufffd"), written), []);
  });

  test("is believed for every line that we can write, and not for its neighbour of another table", () => {
    const text = fc.string({ unit: "binary", maxLength: 12 });
    const point = fc.record({
      table: text.map((name) => `t${name}`),
      tags: fc.array(fc.record({ name: text, value: text }), { maxLength: 2 }),
      fields: fc.array(fc.record({ name: text, type: fc.constant("string"), value: text }), {
        minLength: 1,
        maxLength: 3,
      }),
      timeNs: fc.bigInt({ min: 0n, max: 10n ** 18n }),
    });
    let seen = 0;
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 6 }), fc.nat(), (points, pick) => {
        const lines = points
          .map((each) => encodeLine(each as Parameters<typeof encodeLine>[0]))
          .filter((line) => line !== undefined);
        if (lines.length === 0) return;
        seen += 1;
        const number = (pick % lines.length) + 1;
        const written = [...lines, "zzz f=1 1"].join("\n");
        assert.equal(linesOf(written).count, lines.length + 1);
        assert.deepEqual(numbersIn(named(number, firstBytes(lines[number - 1] ?? "")), written), [number]);
        assert.deepEqual(
          numbersIn(named(lines.length + 1, firstBytes(lines[number - 1] ?? "")), written),
          [],
        );
      }),
      { numRuns: 500 },
    );
    assert.ok(seen > 200, `only ${seen} lists of lines`);
  });
});

describe("numbers", () => {
  const written = ["a f=1 1", "b f=2 2", "c f=3 3"].join("\n");

  test("outside of the write, no integers, or beside one that is wrong, are not believed", () => {
    for (const number of [0, -1, 4, 1.5, Number.NaN, 1e300])
      assert.deepEqual(numbersIn(named(number), written), []);
    const body = { error: "e", data: [{ line_number: 1 }, { line_number: 4 }] };
    assert.deepEqual(numbersIn(body, written), []);
  });

  test("are sorted, and each comes once with its first reason", () => {
    const data = [3, 1, 3].map((line_number, index) => ({ line_number, error_message: `e${index}` }));
    assert.deepEqual(readRefusal(JSON.stringify({ error: "e", data }), written).lines, [
      { number: 1, reason: "e1" },
      { number: 3, reason: "e0" },
    ]);
  });

  test("count lines of line protocol: a newline in a string ends none", () => {
    const text = 'a f="x\ny" 1\nb f="\\"\n" 2\nc"d,e\\=f=" g\\=h="" 3\ni j="\\\\" 4\nk,l="m n=1 5\n"o" p=1 6';
    const lines = linesOf(text);
    assert.equal(lines.count, 6);
    assert.deepEqual([1, 2, 3, 4, 5, 6].map((number) => lines.beginningOf(number, 100)).join("\n"), text);
    assert.deepEqual(numbersIn(named(2, "b f="), text), [2]);
  });

  test("without the line itself are not believed where a string holds a newline: servers count differently", () => {
    const text = 'a f="x\ny" 1\nb f=1 2';
    assert.deepEqual(numbersIn(named(2), text), []);
    assert.deepEqual(numbersIn({ code: "invalid", line: 2, message: "m" }, text), []);
    assert.deepEqual(numbersIn({ code: "invalid", line: 2, message: "m" }, written), [2]);
  });
});

describe("a list in the message of Clustered", () => {
  const written = Array.from({ length: 200 }, (_, index) => `m f=${index} ${index}`).join("\n");
  const body = (line: number, ...entries: string[]): string =>
    JSON.stringify({
      code: "invalid",
      message: ["failed to parse line protocol: errors encountered on line(s):", ...entries].join("\n"),
      line,
    });
  const entry = (line: number): string => `error parsing line ${line} (1-based): No fields were provided`;

  test("names up to a hundred lines, each with its reason", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 2 * index + 1);
    assert.deepEqual(numbersIn(body(1, ...hundred.map(entry)), written), hundred);
    assert.equal(readRefusal(body(7, entry(7)), written).lines[0]?.reason, "No fields were provided");
  });

  test("counts only beside the number that stands outside of it, and in order", () => {
    assert.deepEqual(numbersIn(body(2, entry(3), entry(4)), written), [2]);
    assert.deepEqual(numbersIn(body(3, entry(3), entry(9), entry(4)), written), [3]);
    assert.deepEqual(numbersIn({ code: "invalid", message: `\n${entry(3)}` }, written), []);
  });

  test("is not what a value repeats behind another kind of line end", () => {
    const quoted = `Found trailing content: '\u2028error parsing line 9 (1-based): x\rerror parsing line 10 (1-based): y'`;
    assert.deepEqual(numbersIn(body(3, `error parsing line 3 (1-based): ${quoted}`), written), [3]);
  });
});

describe("a body that was cut", () => {
  const lines = Array.from({ length: 500 }, (_, index) => `m,t=${index} f=${index} ${index}`);
  const written = lines.join("\n");
  const data = lines.map((line, index) => ({
    error_message: `invalid column type for column 'a"[{,\\' ${index}`,
    line_number: index + 1,
    original_line: line.slice(0, 20),
  }));
  const body = JSON.stringify({ error: "partial write of line protocol occurred", data });

  test("names every line that came whole, wherever it was cut", () => {
    for (let end = 0; end <= body.length; end += 97) {
      const numbers = numbersIn(body.slice(0, end), written);
      const whole = body.slice(0, end).match(/"original_line":"[^"]*"\}/g)?.length ?? 0;
      assert.ok(
        numbers.length >= whole && numbers.length <= whole + 1,
        `${end}: ${numbers.length} of ${whole}`,
      );
      assert.deepEqual(
        numbers,
        Array.from({ length: numbers.length }, (_, index) => index + 1),
      );
    }
    assert.equal(numbersIn(body, written).length, 500);
  });

  test("is not taken for one that names no line", () => {
    assert.equal(readRefusal('{"error":"line protocol par', written).about, "unknown");
    assert.equal(
      readRefusal('{"error":"line protocol parsing error","data":{"error_mess', written).about,
      "unknown",
    );
    assert.equal(readRefusal('{"error":"cannot write to soft-deleted database"}', written).about, "request");
  });

  test("reads as the beginning of what it was", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, at) => {
        const { value, isWhole } = readJson(text.slice(0, at % (text.length + 1)));
        if (isWhole && value !== undefined) assert.deepEqual(value, JSON.parse(text));
      }),
    );
    assert.deepEqual(readJson('{"a":[1,{"b":"]"},"c').value, { a: [1, { b: "]" }] });
    assert.deepEqual(readJson('{"a":{"b":[[1],[2').value, { a: { b: [[1]] } });
    assert.deepEqual(readJson("[[[").value, undefined);
    assert.deepEqual(readJson('{"a":1,"b":2').value, { a: 1 });
  });
});
