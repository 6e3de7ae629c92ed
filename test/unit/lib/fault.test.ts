import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as hold, BugError, errorCode, errorText, Fault } from "../../../src/lib/fault.ts";

test("a fault carries what an operator needs, and its cause", () => {
  const cause = new Error("EIO");
  const told = { code: "journal_full", layer: "journal", disposition: "retry", hint: "free space" } as const;
  const fault = new Fault({ ...told, message: "it is full", cause });
  assert.ok(fault instanceof Error);
  const { name, code, layer, disposition, hint, message } = fault;
  assert.deepEqual({ code, layer, disposition, hint }, told);
  assert.deepEqual([name, message, fault.cause], ["Fault", "it is full", cause]);
});

test("a fault without a cause has none, also not an undefined one", () => {
  const fault = new Fault({ code: "a_b", layer: "host", disposition: "drop", message: "m" });
  assert.equal(Object.hasOwn(fault, "cause"), false);
  assert.equal(fault.hint, undefined);
});

test("a broken invariant is a bug, not a fault", () => {
  hold(true, "nothing");
  assert.throws(
    () => {
      hold(false, "seq went back");
    },
    (error) => error instanceof BugError && !(error instanceof Fault) && /seq went back/.test(error.message),
  );
});

test("errorCode and errorText take anything that can be thrown", () => {
  const coded = Object.assign(new Error("no"), { code: "ENOSPC" });
  assert.equal(errorCode(coded), "ENOSPC");
  for (const thrown of [undefined, null, 7, "text", {}, new Error("no"), { code: 7 }]) {
    assert.equal(errorCode(thrown), undefined);
  }
  assert.equal(errorText(coded), "no");
  assert.equal(errorText("text"), "text");
  assert.equal(errorText(undefined), "undefined");
});
