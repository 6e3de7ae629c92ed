import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { influxSchema } from "../../../src/influx/config.ts";
import { flightConfigOf } from "../../../src/influx/flight/config.ts";
import {
  checkRoutes,
  compileRoutes,
  influxDestinations,
  routesSchema,
  type RouteConfig,
  type RouteMatchConfig,
} from "../../../src/influx/route-config.ts";
import { evenIfBroken, table } from "../../../src/lib/schema.ts";
import { routeOf } from "../../../src/pipeline/route.ts";

const sources = ["mqtt", "field"];
const schema = table({ influxdb: influxSchema, route: routesSchema.prefault([]) }).superRefine(
  (raw, context) => {
    checkRoutes(raw.route, raw.influxdb, sources, context);
  },
  evenIfBroken,
);
const influxdb = {
  url: "http://127.0.0.1:8181",
  database: "main",
  token: "t0",
  retention: "90d",
  gzip: false,
};
const farm = { match: { tenant: "farm" }, database: "farm" };

function complaints(...route: unknown[]): string[] {
  const result = schema.safeParse({ influxdb, route });
  return result.success
    ? []
    : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

function compiled(...route: unknown[]): readonly RouteConfig[] {
  const config = schema.parse({ influxdb, route });
  return compileRoutes(config.route, config.influxdb);
}

function destinations(...route: unknown[]) {
  const config = schema.parse({ influxdb, route });
  return influxDestinations(config.influxdb, compileRoutes(config.route, config.influxdb)).map((one) => [
    one.influx.database,
    one.influx.token?.reveal(),
    one.routes,
  ]);
}

describe("[[route]]", () => {
  test("the token for reading goes with that for writing: a route with its own reads with it", () => {
    const both = { ...influxdb, query_token: "r0" };
    const config = schema.parse({
      influxdb: both,
      route: [farm, { ...farm, match: { source: "field" }, token: "t1" }],
    });
    const [shared, own] = compileRoutes(config.route, config.influxdb).map(({ influx }) =>
      flightConfigOf(influx),
    );
    assert.deepEqual([shared?.database, shared?.token?.reveal()], ["farm", "r0"]);
    assert.deepEqual([own?.database, own?.token?.reveal()], ["farm", "t1"]);
  });

  test("is [influxdb] with a database, and perhaps a token and a retention of its own", () => {
    const [first, second] = compiled(farm, {
      name: "own",
      match: { application: "a", source: "field" },
      database: "x",
      token: "t1",
      retention: "1y",
    });
    assert.equal(first?.name, "route1");
    assert.deepEqual(first.match, { tenant: "farm", application: undefined, source: undefined });
    assert.equal(first.influx.token?.reveal(), "t0");
    assert.equal(first.influx.retention, undefined, "the main database's retention is its own");
    assert.deepEqual(
      [first.influx.url, first.influx.gzip, first.influx.database],
      [influxdb.url, false, "farm"],
    );
    assert.equal(second?.name, "own");
    assert.deepEqual([second.influx.token?.reveal(), second.influx.retention], ["t1", "1y"]);
  });

  test("without routes there is one destination", () => {
    assert.deepEqual([complaints(), destinations()], [[], [["main", "t0", []]]]);
  });

  test("routes to one database with one token share a destination, also the main one", () => {
    assert.deepEqual(
      destinations(
        { match: { tenant: "farm", application: "trial" }, database: "main" },
        farm,
        { match: { tenant: "co-op" }, database: "farm", token: "t0" },
        { match: { tenant: "town" }, database: "farm", token: "t1" },
      ),
      [
        ["main", "t0", [0]],
        ["farm", "t0", [1, 2]],
        ["farm", "t1", [3]],
      ],
    );
  });

  test("what is wrong is said where it is", () => {
    assert.deepEqual(complaints({ match: {}, database: "x" }), [
      "route.0.match: expected tenant, application or source: at least one of them",
    ]);
    assert.deepEqual(complaints({ match: { tenant: "farm" } }), [
      "route.0.database: expected a database name: 1 to 64 letters, digits, - _ /, the first one a letter or digit",
    ]);
    assert.deepEqual(complaints({ ...farm, token: "a", token_file: "b" }), [
      "route.0.token_file: token is given too: keep one of the two",
    ]);
    assert.match(
      complaints({ ...farm, token: "a b" })[0] ?? "",
      /^route\.0\.token: .*\(the value is not shown\)$/,
    );
    assert.match(
      complaints({ ...farm, retention: "soon" })[0] ?? "",
      /^route\.0\.retention: expected a retention/,
    );
    assert.match(
      complaints({ ...farm, match: { tennant: "farm" } })[0] ?? "",
      /^route\.0\.match: unknown key/,
    );
    assert.equal(schema.safeParse({ influxdb, route: farm }).success, false);
  });

  test("names differ, given or not", () => {
    const town = { match: { tenant: "town" }, database: "town" };
    assert.deepEqual(complaints({ ...farm, name: "route2" }, town), [
      'route.1.name: another [[route]] table is called "route2" already: names must differ',
    ]);
    assert.deepEqual(complaints({ ...farm, name: "farm" }, town), []);
  });

  test("a source must be one of the [[mqtt]] tables", () => {
    assert.deepEqual(complaints({ match: { source: "field" }, database: "x" }), []);
    assert.deepEqual(complaints({ match: { source: "mqtt9" }, database: "x" }), [
      'route.0.match.source: no [[mqtt]] table is called "mqtt9"',
    ]);
  });

  test("a route that an earlier one leaves nothing to is a mistake; the other way round it is not", () => {
    const wide = farm;
    const narrow = { match: { tenant: "farm", source: "mqtt" }, database: "x" };
    assert.deepEqual(complaints(narrow, wide), []);
    for (const [second, database] of [
      [narrow, "x"],
      [{ ...farm, database: "y" }, "y"],
    ] as const) {
      assert.deepEqual(
        complaints(wide, second),
        ['route.1.match: takes nothing: "route1" before it takes all that fits here'],
        database,
      );
    }
  });

  test("a database has one retention", () => {
    const town = { match: { tenant: "town" }, database: "farm" };
    assert.deepEqual(complaints({ ...farm, retention: "90d" }, { ...town, retention: "90d" }), []);
    assert.match(
      complaints({ ...farm, retention: "90d" }, town)[0] ?? "",
      /^route\.1\.retention: "route1" says/,
    );
  });

  test("the retention of [influxdb]'s own database is said there, with whatever token a route writes", () => {
    const main = { match: { tenant: "farm" }, database: "main" };
    assert.deepEqual(complaints(main), []);
    assert.deepEqual(complaints({ ...main, retention: "90d" }), []);
    for (const route of [main, { ...main, token: "t0" }, { ...main, token: "t1" }]) {
      assert.match(complaints({ ...route, retention: "1y" })[0] ?? "", /^route\.0\.retention: \[influxdb\]/);
    }
    const { retention: _, ...without } = influxdb;
    const result = schema.safeParse({ influxdb: without, route: [{ ...main, retention: "90d" }] });
    assert.equal(result.success, false, "[influxdb] says that the database is there");
  });

  test("no table, however wrong, makes the check throw", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.anything(),
            fc.record(
              {
                name: fc.anything(),
                match: fc.oneof(fc.anything(), fc.record({ tenant: fc.anything(), source: fc.anything() })),
                database: fc.anything(),
              },
              { requiredKeys: [] },
            ),
          ),
          { maxLength: 4 },
        ),
        (route) => {
          schema.safeParse({ influxdb, route });
          for (const main of route) schema.safeParse({ influxdb: main, route });
        },
      ),
    );
  });

  test("what is called unreachable is never taken, and nothing else is called so", () => {
    const word = fc.constantFrom("mqtt", "field");
    const match = fc
      .record({ tenant: word, application: word, source: word }, { requiredKeys: [], noNullPrototype: true })
      .filter((keys) => Object.keys(keys).length > 0);
    const events = ["mqtt", "field", "another"].flatMap((tenantName) =>
      ["mqtt", "field", "another"].flatMap((applicationName) =>
        sources.map((source) => ({ source, tenantId: "", tenantName, applicationId: "", applicationName })),
      ),
    );
    let unreachable = 0;
    fc.assert(
      fc.property(fc.array(match, { maxLength: 3 }), (matches) => {
        const routes = matches.map((keys): RouteMatchConfig => ({
          tenant: keys.tenant,
          application: keys.application,
          source: keys.source,
        }));
        const said = new Set(
          complaints(...matches.map((keys) => ({ match: keys, database: "x" }))).map((text) =>
            Number(/^route\.(\d+)\.match/.exec(text)?.[1]),
          ),
        );
        const taken = new Set(events.map((event) => routeOf(event, routes)));
        unreachable += said.size;
        for (const index of said) assert.ok(!taken.has(index), `route ${index} is taken`);
        // Two narrow routes may cover a third one between them: that is left to the reader.
        for (const [index, route] of routes.entries()) {
          const alone = routes.slice(0, index).some((earlier) => routeOf(exampleOf(route), [earlier]) === 0);
          assert.equal(said.has(index), alone);
        }
      }),
      { numRuns: 200, seed: 1 },
    );
    assert.ok(unreachable > 20);
  });
});

/** An event that fits a route and, where the route asks for nothing, is like no other. */
function exampleOf({ tenant, application, source }: RouteMatchConfig) {
  return {
    source: source ?? "unheard of",
    tenantId: "",
    tenantName: tenant ?? "unheard of",
    applicationId: "",
    applicationName: application ?? "unheard of",
  };
}
