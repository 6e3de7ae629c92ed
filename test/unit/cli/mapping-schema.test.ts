/** What `mapping show` says of payloads for tables whose columns state.db knows. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { State } from "../../../src/state/state.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { startMs } from "../journal/fixture.ts";
import { show, showJson, site, type Site, uplink } from "./mapping-fixture.ts";

const table = "telemetry_em300_th";

/** As a running daemon has it; `url` and `database` as in the smallest configuration. */
function know(
  t: TestContext,
  { dir }: Site,
  database: string,
  columns: Readonly<Record<string, ColumnType>>,
) {
  const state = State.open(dir, startMs);
  t.after(() => {
    state.close();
  });
  const entries = Object.entries(columns).map(([column, type]) => ({ table, column, type }));
  state.schema.save(`http://127.0.0.1:8181 ${database}`, entries);
}

const row = /^ {2}n .*$/m;

describe("in a table whose columns are known", () => {
  test("a key is told with the column that it is written to", async (t) => {
    const where = site(t, [uplink(0, { n: "on" }), uplink(1, { n: 3 })]);
    know(t, where, "lorawan", { n: "float" });
    const { out } = await show(where, "EM300-TH");
    assert.match(out, /^ {2}columns {2}1 of 200 in lorawan, as last known here$/m);
    assert.match(out, / {2}column n, float \(1 of 2\)$/m);
    assert.match(out, / {2}column n_text, string; n is of type float there \(1 of 2\)$/m);
    assert.doesNotMatch(out, /where the column has another type/);
    const { json } = await showJson(where, "EM300-TH");
    const [{ keys, table_columns, database } = {}] = json["profiles"] as Record<string, unknown>[];
    assert.deepEqual([table_columns, database], [1, "lorawan"]);
    const [{ outcomes } = { outcomes: [] }] = keys as { readonly outcomes: Record<string, unknown>[] }[];
    assert.deepEqual(
      outcomes.map((outcome) => [outcome["column"], outcome["column_beside"], outcome["written_to"]]),
      [
        ["n", null, "n"],
        ["n", "n_text", "n_text"],
      ],
    );
  });

  test("a full table is said to be one, and its new keys are no columns", async (t) => {
    const where = site(t, [uplink(0, { n: 1 })]);
    know(t, where, "lorawan", Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`c${n}`, "float"])));
    const { out } = await show(where, "EM300-TH");
    assert.match(out, /^ {2}columns {2}200 of 200 in lorawan, as last known here: the table is full$/m);
    assert.match(out, row);
    assert.match(row.exec(out)?.[0] ?? "", /no field: the table is full/);
    assert.doesNotMatch(out, /column n, float/);
  });

  test("a payload is compared with the database that its route leads to", async (t) => {
    const route = `
[[route]]
match = { application = "barns" }
database = "farm"
`;
    const where = site(t, [uplink(0, { n: 1 })], route);
    know(t, where, "lorawan", { n: "string" });
    assert.match((await show(where, "EM300-TH")).out, /none of farm is known yet$/m);
    const other = site(t, [uplink(0, { n: 1 })], route);
    know(t, other, "farm", { n: "string" });
    assert.match((await show(other, "EM300-TH")).out, /column n_num, float; n is of type string there/);
  });

  test("a table that is not there yet is said to be new", async (t) => {
    const where = site(t, [uplink(0, { n: 1 })]);
    know(t, where, "lorawan", {});
    assert.match((await show(where, "EM300-TH")).out, /none of lorawan is known yet$/m);
    const other = site(
      t,
      [uplink(0, { n: 1 }, undefined)],
      '[[profile]]\nmatch = { profile = "EM300-TH" }\ntable = "new"\n',
    );
    know(t, other, "lorawan", { n: "float" });
    assert.match((await show(other, "EM300-TH")).out, /the table is not in lorawan yet/);
  });
});

test("rules that met nothing stand below the keys", async (t) => {
  const rules = '[[profile]]\nmatch = { profile = "EM300-TH" }\ndrop = ["config.a", "b"]\n';
  const where = site(t, [uplink(0, { config: { a: 1 } })], rules);
  const { out } = await show(where, "EM300-TH");
  assert.match(
    out,
    /\nRules that met no key in these payloads:\n {2}drop "config.a": nested keys join with _: config_a\n {2}drop "b"\n\n/,
  );
  const { json } = await showJson(where, "EM300-TH");
  const [{ unmet_rules: unmet } = {}] = json["profiles"] as Record<string, unknown>[];
  assert.deepEqual(unmet, [
    { rule: "drop", name: "config.a", hint: "nested keys join with _: config_a" },
    { rule: "drop", name: "b", hint: null },
  ]);
});

test("keys beyond those that are looked at are counted, in words and in JSON", async (t) => {
  const object = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, n]));
  const where = site(t, [uplink(0, object)]);
  const { out } = await show(where, "EM300-TH");
  assert.match(out, /^ {2}… and 1700 more keys, which --json tells$/m);
  assert.match(out, /^ {2}… and 3000 more keys in one payload, which are not told: they are too many$/m);
  const { json } = await showJson(where, "EM300-TH");
  assert.equal((json["profiles"] as Record<string, unknown>[])[0]?.["keys_untold"], 3000);
});
