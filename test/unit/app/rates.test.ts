import assert from "node:assert/strict";
import { test } from "node:test";
import { Rates } from "../../../src/app/rates.ts";

const still = { received: 0, written: 0 };

test("before two samples there is no rate", () => {
  const rates = new Rates();
  assert.deepEqual(rates.perSecond, still);
  rates.sample({ received: 100, written: 100 }, 5000);
  assert.deepEqual(rates.perSecond, still, "what came before the first look came in an unknown time");
  rates.sample({ received: 200, written: 100 }, 5000);
  assert.deepEqual(rates.perSecond, still, "in no time");
});

test("messages per second, of each kind", () => {
  const rates = new Rates();
  rates.sample({ received: 100, written: 90 }, 5000);
  rates.sample({ received: 150, written: 100 }, 15_000);
  assert.deepEqual(rates.perSecond, { received: 5, written: 1 });
});

test("what is older than a minute no longer counts", () => {
  const rates = new Rates();
  for (let second = 0; second <= 60; second += 5) {
    rates.sample({ received: second < 30 ? 0 : 1000, written: 0 }, second * 1000);
  }
  assert.ok(rates.perSecond.received > 16);
  for (let second = 65; second <= 100; second += 5) {
    rates.sample({ received: 1000, written: 0 }, second * 1000);
  }
  assert.deepEqual(rates.perSecond, still);
});
