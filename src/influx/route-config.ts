/**
 * `[[route]]`: events of a tenant, an application or a source go to a database of their own. What is said
 * about servers, batches and TLS is `[influxdb]`'s; a route has its database, and may have its token and
 * retention.
 */
import { z } from "zod";
import { complain, defined, evenIfBroken, table, text } from "../lib/schema.ts";
import type { Secret } from "../lib/secret.ts";
import { checkToken, influxSchema, type InfluxConfig } from "./config.ts";

/** At least one is given, and all that are must fit. */
export interface RouteMatchConfig {
  /** Name or id, like the application. */
  readonly tenant: string | undefined;
  readonly application: string | undefined;
  /** Name of an `[[mqtt]]` table. */
  readonly source: string | undefined;
}

/** A route before it is put together with `[influxdb]`. */
export interface RouteSource {
  readonly name?: string;
  readonly match: RouteMatchConfig;
  readonly database: string;
  readonly token?: Secret;
  readonly retention?: string;
}

export interface RouteConfig {
  /** Unique among the routes. */
  readonly name: string;
  readonly match: RouteMatchConfig;
  /** `[influxdb]` with this route's database, token and retention in place of its own. */
  readonly influx: InfluxConfig;
}

/** One database with one token: where one forwarder writes. */
export interface InfluxDestination {
  readonly influx: InfluxConfig;
  /** Indexes of the routes that lead there. */
  readonly routes: readonly number[];
}

const maxRoutes = 64;
const matchKeys = ["tenant", "application", "source"] as const;

function wanted(what: string) {
  return text(`the ${what} on one line`, /^[^\p{Cc}]{1,256}$/u, `The ${what}`).optional();
}

const match = table({
  tenant: wanted("name or id of a tenant"),
  application: wanted("name or id of an application"),
  source: wanted("name of an [[mqtt]] table"),
})
  .superRefine((keys, context) => {
    if (matchKeys.every((key) => keys[key] === undefined)) {
      complain(context, { message: "expected tenant, application or source: at least one of them" });
    }
  }, evenIfBroken)
  .transform((keys): RouteMatchConfig => ({
    tenant: keys.tenant,
    application: keys.application,
    source: keys.source,
  }))
  .describe("Which events take this route: all that is given must fit");

/** What is right for `[influxdb]` is right here. */
const { database, token, token_file, retention } = influxSchema.in.shape;

const routeSchema = table({
  name: text(
    "a name of lower-case letters, digits, - and _ (at most 32)",
    /^[a-z0-9_-]{1,32}$/,
    'What this route is called; default "route1", "route2", … in the order of the tables',
  ).optional(),
  match,
  database,
  token,
  token_file,
  retention,
})
  .superRefine((route, context) => {
    checkToken(route, context);
  }, evenIfBroken)
  .transform((route): RouteSource =>
    defined({
      name: route.name,
      match: route.match,
      database: route.database,
      token: route.token ?? route.token_file,
      retention: route.retention,
    }),
  );

export const routesSchema = z
  .array(routeSchema, { error: "expected [[route]] tables (two brackets on each side)" })
  .max(maxRoutes, { error: `expected at most ${maxRoutes} [[route]] tables` })
  .describe("Databases for the events of some tenants, applications or sources; the first route that fits");

/** A table that may be wrong already: `[[route]]`, or `[influxdb]` as far as routes are compared with it. */
type Unchecked = Partial<Record<"name" | "match" | "database" | "retention", unknown>>;

/**
 * Names differ, sources are there, every route can be taken, and a database has one retention, which for that
 * of `[influxdb]` is the one said there. Runs on tables that may be wrong already.
 */
export function checkRoutes(
  raw: unknown,
  main: unknown,
  sourceNames: readonly string[],
  context: z.RefinementCtx,
): void {
  if (!Array.isArray(raw)) return;
  const influxdb: Unchecked = typeof main === "object" && main !== null ? main : {};
  const seen: { readonly name: string; readonly route: Unchecked }[] = [];
  for (const [index, route] of raw.entries()) {
    if (typeof route !== "object" || route === null) continue;
    const unchecked: Unchecked = route;
    const name = routeName(unchecked, index);
    const about = (key: string, message: string, hint?: string): void => {
      complain(context, { path: ["route", index, ...key.split(".")], message, hint });
    };
    if (seen.some((earlier) => earlier.name === name)) {
      about("name", `another [[route]] table is called "${name}" already: names must differ`);
    }
    const { source } = matchOf(unchecked);
    if (source !== undefined && !sourceNames.includes(source)) {
      const names = sourceNames.map((one) => `"${one}"`).join(", ");
      about("match.source", `no [[mqtt]] table is called "${source}"`, `there is ${names}`);
    }
    const cover = seen.find((earlier) => covers(matchOf(earlier.route), matchOf(unchecked)));
    if (cover !== undefined) {
      about(
        "match",
        `takes nothing: "${cover.name}" before it takes all that fits here`,
        "the first route that fits is taken: put the narrower one first, or remove one of the two",
      );
    }
    const other = seen.find(
      (earlier) =>
        earlier.route.database === unchecked.database &&
        typeof unchecked.database === "string" &&
        earlier.route.retention !== unchecked.retention,
    );
    if (other !== undefined) {
      about(
        "retention",
        `"${other.name}" says otherwise of the same database, which can have one`,
        "give each route to that database the same retention, or none",
      );
    }
    const { database: wanted, retention: ownRetention } = unchecked;
    const isMain = typeof wanted === "string" && wanted === influxdb.database;
    if (isMain && ownRetention !== undefined && ownRetention !== influxdb.retention) {
      about(
        "retention",
        "[influxdb] says otherwise of the same database, which can have one",
        "remove it here: the retention under [influxdb] is the one that counts",
      );
    }
    seen.push({ name, route: unchecked });
  }
}

function routeName(route: { readonly name?: unknown }, index: number): string {
  return typeof route.name === "string" ? route.name : `route${index + 1}`;
}

function matchOf({ match: keys }: Unchecked): Partial<RouteMatchConfig> {
  const given: Record<string, unknown> = typeof keys === "object" && keys !== null ? { ...keys } : {};
  return Object.fromEntries(Object.entries(given).filter(([, value]) => typeof value === "string"));
}

/** Whether everything that fits `narrow` fits `wide`. A match that asks for nothing is wrong and covers nothing. */
function covers(wide: Partial<RouteMatchConfig>, narrow: Partial<RouteMatchConfig>): boolean {
  const asked = matchKeys.filter((key) => wide[key] !== undefined);
  return asked.length > 0 && asked.every((key) => wide[key] === narrow[key]);
}

export function compileRoutes(routes: readonly RouteSource[], main: InfluxConfig): readonly RouteConfig[] {
  return routes.map((route, index) => {
    const { token: mainToken, queryToken, retention: _, ...shared } = main;
    const tokens = route.token === undefined ? { token: mainToken, queryToken } : { token: route.token };
    const influx: InfluxConfig = {
      ...shared,
      ...defined({ ...tokens, retention: route.retention }),
      database: route.database,
    };
    return { name: routeName(route, index), match: route.match, influx };
  });
}

/**
 * Where things are written, the main database first: one forwarder each. Routes to the same database with the
 * same token share one, also with `[influxdb]` itself, whose retention is then the one that counts.
 */
export function influxDestinations(
  main: InfluxConfig,
  routes: readonly RouteConfig[],
): readonly [InfluxDestination, ...InfluxDestination[]] {
  const mainRoutes: number[] = [];
  const others = new Map<string, { readonly influx: InfluxConfig; readonly routes: number[] }>();
  for (const [index, { influx }] of routes.entries()) {
    const key = destinationKey(influx);
    if (key === destinationKey(main)) mainRoutes.push(index);
    else {
      const known = others.get(key);
      if (known === undefined) others.set(key, { influx, routes: [index] });
      else known.routes.push(index);
    }
  }
  return [{ influx: main, routes: mainRoutes }, ...others.values()];
}

/** Neither half has a space in it. */
function destinationKey({ database: name, token: secret }: InfluxConfig): string {
  return `${name} ${secret?.reveal() ?? ""}`;
}
