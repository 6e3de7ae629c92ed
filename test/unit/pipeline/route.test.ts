import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  belongsTo,
  type RouteFacts,
  type RouteMatch,
  routeOf,
  sourcesApart,
} from "../../../src/pipeline/route.ts";

const facts: RouteFacts = {
  source: "mqtt",
  tenantId: "t-1",
  tenantName: "farm",
  applicationId: "a-1",
  applicationName: "barns",
};
const any: RouteMatch = { tenant: undefined, application: undefined, source: undefined };

describe("routes", () => {
  test("names and ids are both accepted, and all that is given must fit", () => {
    const fits = (match: Partial<RouteMatch>): boolean => routeOf(facts, [{ ...any, ...match }]) === 0;
    for (const match of [
      { tenant: "farm" },
      { tenant: "t-1" },
      { application: "barns" },
      { application: "a-1" },
      { source: "mqtt" },
      { tenant: "farm", application: "a-1", source: "mqtt" },
    ]) {
      assert.ok(fits(match), JSON.stringify(match));
    }
    for (const match of [
      { tenant: "barns" },
      { application: "t-1" },
      { source: "mqtt2" },
      { tenant: "farm", application: "a-2" },
      { tenant: "farm", source: "mqtt2" },
    ]) {
      assert.ok(!fits(match), JSON.stringify(match));
    }
  });

  test("what an event does not say fits nothing that is asked for", () => {
    const gateway = { ...facts, tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
    assert.equal(routeOf(gateway, [{ ...any, tenant: "farm" }]), undefined);
    assert.equal(
      routeOf(gateway, [
        { ...any, tenant: "farm" },
        { ...any, source: "mqtt" },
      ]),
      1,
    );
  });

  test("whatever the routes and however they are put together, an event belongs to one destination", () => {
    const word = fc.constantFrom("a", "b", "c");
    const wanted = fc.option(word, { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(fc.record({ tenant: wanted, application: wanted, source: wanted }), { maxLength: 6 }),
        fc.infiniteStream(fc.nat(2)),
        fc.record({
          source: word,
          tenantId: word,
          tenantName: word,
          applicationId: word,
          applicationName: word,
        }),
        (routes, owners, one) => {
          const ofRoute = routes.map(() => Number(owners.next().value));
          const belongs = [0, 1, 2].map((destination) =>
            belongsTo(
              routes,
              ofRoute.flatMap((owner, index) => (owner === destination ? [index] : [])),
              destination === 0,
            ),
          );
          const mine = belongs.map((isMine) => isMine(one));
          assert.equal(mine.filter(Boolean).length, 1);
          const index = routeOf(one, routes);
          assert.ok(mine[index === undefined ? 0 : (ofRoute[index] ?? -1)]);
        },
      ),
    );
  });

  test("sources that no route names need not be told apart", () => {
    assert.deepEqual(
      [
        ...sourcesApart([
          { ...any, tenant: "farm" },
          { ...any, source: "mqtt2" },
        ]),
      ],
      ["mqtt2"],
    );
  });
});
