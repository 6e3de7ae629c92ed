import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Fault } from "../../../../src/lib/fault.ts";
import { maxAttempts, retryDelayMs, type FailedAttempt } from "../../../../src/influx/flight/retry.ts";
import { faultOf } from "./fixture.ts";

function delay(more: Partial<FailedAttempt> = {}): number | undefined {
  return retryDelayMs({
    fault: faultOf("flight_unavailable", "retry"),
    policy: "before_rows",
    sawRows: false,
    attempts: 1,
    remainingMs: 60_000,
    random: () => 0.999,
    ...more,
  });
}

describe("whether a read is asked anew", () => {
  test("only a fault that may go away is worth another attempt", () => {
    assert.equal(typeof delay(), "number");
    for (const disposition of ["drop", "quarantine", "restart", "fatal"] as const) {
      assert.equal(delay({ fault: faultOf("flight_x", disposition) }), undefined, disposition);
    }
  });

  test("what only a person can mend is not worth one, though the next query tries it", () => {
    const badPem = new Fault({ code: "tls_bad_pem", layer: "config", disposition: "retry", message: "no" });
    assert.equal(delay({ fault: badPem }), undefined);
    assert.equal(delay({ fault: badPem, policy: "always" }), undefined);
  });

  test("after rows were seen only who asked for it gets them again", () => {
    assert.equal(delay({ sawRows: true }), undefined);
    assert.equal(delay({ sawRows: true, policy: "never" }), undefined);
    assert.equal(typeof delay({ sawRows: true, policy: "always" }), "number");
  });

  test("never is never", () => {
    assert.equal(delay({ policy: "never" }), undefined);
  });

  test("the attempts are counted, the first one included", () => {
    assert.equal(typeof delay({ attempts: maxAttempts - 1 }), "number");
    assert.equal(delay({ attempts: maxAttempts }), undefined);
  });

  test("a wait that the deadline would end is not begun", () => {
    assert.equal(delay({ remainingMs: 100 }), undefined);
    assert.equal(delay({ remainingMs: 250 }), 249);
    assert.equal(delay({ remainingMs: 0, random: () => 0 }), undefined);
  });

  test("the waits are drawn below 250 ms, then below the double, up to the last attempt", () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((attempts) => delay({ attempts })),
      [249, 499, 999, 1998],
    );
    assert.equal(delay({ random: () => 0, attempts: 4 }), 0);
  });
});
