/** Whatever a server answers: one outcome, soon, and nothing in it that must not be there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { inspect } from "node:util";
import { classify, type Answer, type WriteOutcome } from "../../../src/influx/outcome.ts";
import { redactor } from "../../../src/influx/redact.ts";

const lines = ["a,t=1 f=1 1", 'b f="two\nlines" 2', "c,t=\\ 3 f=3 3", 'd"e f="\\"" 4', "f,t=ö f=5 5"];
const plainLines = Array.from({ length: 200 }, (_, index) => `m,t=${index} f=${index} ${index}`);
const nowMs = Date.UTC(2026, 0, 1);

function outcomeOf(status: number, body: string, written: string, api: "v3" | "v2" = "v3"): WriteOutcome {
  const answer: Answer = { status, body, retryAfter: undefined, location: undefined };
  const outcome = classify({ answer }, { api, mayUseV2: false, nowMs, written });
  assert.notEqual(outcome.kind, "use_v2");
  return outcome as WriteOutcome;
}

const statuses = fc.oneof(
  fc.integer({ min: 0, max: 999 }),
  fc.constantFrom(200, 202, 204, 301, 400, 401, 404, 413, 422, 500, 503),
);
const anyNumber = fc.oneof(fc.integer({ min: -2, max: 210 }), fc.double(), fc.string(), fc.constant(null));
const item = fc.record(
  {
    line_number: anyNumber,
    error_message: fc.oneof(fc.string({ unit: "binary" }), fc.integer()),
    original_line: fc.oneof(fc.constantFrom(...lines, ...plainLines.slice(0, 5)), fc.string(), fc.integer()),
  },
  { requiredKeys: [] },
);
const listing = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 210 }), fc.string()), { maxLength: 20 })
  .map((entries) =>
    entries.map(([line, why]) => `\n  error parsing line ${line} (1-based): ${why}`).join(""),
  );
const refusal = fc
  .record(
    {
      error: fc.oneof(fc.string(), fc.constant("partial write of line protocol occurred")),
      data: fc.oneof(item, fc.array(item, { maxLength: 20 }), fc.anything()),
      code: fc.constantFrom("invalid", "internal error"),
      line: anyNumber,
      message: fc.oneof(fc.string(), listing),
    },
    { requiredKeys: [] },
  )
  .map((body) =>
    JSON.stringify(body, (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
  );
const cut = fc.tuple(refusal, fc.nat()).map(([text, at]) => text.slice(0, at % (text.length + 1)));
const bytes = fc.uint8Array({ maxLength: 500 }).map((array) => Buffer.from(array).toString("utf8"));
const bodies = fc.oneof(refusal, cut, bytes, fc.json(), fc.constant(""), fc.string({ unit: "binary" }));
const texts = fc.constantFrom("", lines.join("\n"), plainLines.join("\n"), "a,t=1 f=1 1");

test("any status with any body has one outcome, and only 204 is delivered", () => {
  let named = 0;
  fc.assert(
    fc.property(statuses, bodies, texts, fc.constantFrom("v3", "v2"), (status, body, written, api) => {
      const outcome = outcomeOf(status, body, written, api);
      assert.equal(outcome.kind === "delivered", status === 204);
      if (!("fault" in outcome)) return;
      assert.ok(outcome.fault.message.length < 400, outcome.fault.message);
      assert.doesNotMatch(outcome.fault.message, /\p{Cc}/u);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(refusal, texts, (body, written) => {
      const outcome = outcomeOf(400, body, written);
      if (outcome.kind !== "refused") return;
      const numbers = outcome.lines.map(({ number }) => number);
      const lineCount = written === "" ? 0 : written === lines.join("\n") ? 5 : written.split("\n").length;
      assert.ok(numbers.every((number) => Number.isInteger(number) && number >= 1 && number <= lineCount));
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].toSorted((one, other) => one - other),
      );
      assert.equal(outcome.isCertain, numbers.length > 0);
      for (const { reason } of outcome.lines) {
        assert.ok(reason.length > 0 && reason.length <= 301);
        assert.doesNotMatch(reason, /\p{Cc}/u);
      }
      named += numbers.length > 0 ? 1 : 0;
    }),
    { numRuns: 2000 },
  );
  assert.ok(named > 30, `only ${named} answers named lines`);
});

test("a body of 64 KiB that is made to be slow takes no time", () => {
  const size = 64 * 1024;
  const fill = (unit: string, start = "", end = ""): string =>
    start + unit.repeat(Math.floor((size - start.length - end.length) / unit.length)) + end;
  const slow = [
    fill("<", "<html>"),
    fill("<style", "<html>"),
    fill("<title", "<html>"),
    fill("["),
    fill("[", "", "1,"),
    fill('{"data":', "", "1,"),
    fill("\\", '{"error":"'),
    fill('"\\'),
    fill("\ufffd", '{"data":{"line_number":1,"error_message":"e","original_line":"', 'x"}}'),
    fill("\\n ", '{"line":1,"message":"', '"}'),
    fill("\\nerror parsing line 1 (1-based): ", '{"line":1,"message":"', '"}'),
    fill('{"line_number":1},', '{"data":['),
    fill(" ", "", "x"),
    fill("\n"),
  ];
  const writes = [`${'m f="\n" 1\n'.repeat(100_000)}m f=1 1`, `${"m f=1 1\n".repeat(120_000)}m f="x" 1`];
  for (const body of slow) {
    const before = process.cpuUsage();
    for (const written of writes) outcomeOf(400, body, written);
    outcomeOf(500, body, "");
    const tookMs = process.cpuUsage(before).user / 1000;
    assert.ok(tookMs < 400, `${body.slice(0, 40)}… took ${Math.round(tookMs)} ms`);
  }
});

test("a token that a server repeats, in whatever form, is in no outcome", () => {
  const token = `apiv3_"q"\\u0041<&>%41'+/=`;
  const redact = redactor(token);
  const html = token.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const forms = [token, JSON.stringify(token).slice(1, -1), encodeURIComponent(token), html];
  const shapes: readonly ((echo: string) => string)[] = [
    (echo) => `{"error":"bad ${echo}"}`,
    (echo) => `{"error":"e","data":{"error_message":"${echo}","line_number":1,"original_line":""}}`,
    (echo) => `{"error":"e","data":[{"error_message":"${echo}","line_number":1},{"error_mess`,
    (echo) => `{"code":"invalid","line":1,"message":"\\nerror parsing line 1 (1-based): ${echo}"}`,
    (echo) => `<html><title>${echo}</title>`,
    (echo) => `<html><body>${echo}</body></html>`,
    (echo) => echo,
  ];
  fc.assert(
    fc.property(statuses, fc.constantFrom(...shapes), fc.constantFrom(...forms), (status, shape, echo) => {
      const body = redact(shape(echo));
      const location = redact(`https://a.example/${echo}`);
      const answer: Answer = { status, body, retryAfter: echo, location };
      const outcome = classify({ answer }, { api: "v3", mayUseV2: false, nowMs, written: "m f=1 1" });
      assert.doesNotMatch(inspect(outcome, { depth: 10, showHidden: true }), /apiv3_/);
    }),
    { numRuns: 500 },
  );
});
