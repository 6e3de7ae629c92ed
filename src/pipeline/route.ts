/** `[[route]]`: which database an event's rows go to. Pure. */

/** What a route can look at; "" where the event does not say it. */
export interface RouteFacts {
  /** Name of the `[[mqtt]]` source. */
  readonly source: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly applicationId: string;
  readonly applicationName: string;
}

/** Of what says nothing about where it comes from: it goes to the database that takes what no route takes. */
export const noFacts: RouteFacts = {
  source: "",
  tenantId: "",
  tenantName: "",
  applicationId: "",
  applicationName: "",
};

/** What routes see of a device's event. */
export function deviceFacts(source: string, device: Omit<RouteFacts, "source">): RouteFacts {
  const { tenantId, tenantName, applicationId, applicationName } = device;
  return { source, tenantId, tenantName, applicationId, applicationName };
}

/** All that is given must fit; names and ids are both accepted. */
export interface RouteMatch {
  readonly tenant: string | undefined;
  readonly application: string | undefined;
  readonly source: string | undefined;
}

/** The index of the first route that fits, or undefined: the default database. */
export function routeOf(facts: RouteFacts, routes: readonly RouteMatch[]): number | undefined {
  const index = routes.findIndex(
    ({ tenant, application, source }) =>
      fits(tenant, facts.tenantId, facts.tenantName) &&
      fits(application, facts.applicationId, facts.applicationName) &&
      (source === undefined || source === facts.source),
  );
  return index === -1 ? undefined : index;
}

function fits(wanted: string | undefined, id: string, name: string): boolean {
  return wanted === undefined || wanted === id || wanted === name;
}

/**
 * Which events belong to a database: those whose first route is one of `mine` (indexes of `routes`), and to
 * the default one also those that have no route.
 */
export function belongsTo(
  routes: readonly RouteMatch[],
  mine: readonly number[],
  isDefault: boolean,
): (facts: RouteFacts) => boolean {
  const indexes = new Set(mine);
  return (facts) => {
    const index = routeOf(facts, routes);
    return index === undefined ? isDefault : indexes.has(index);
  };
}

/** The sources that routes name: equal bytes from two of them may belong to two databases. */
export function sourcesApart(routes: readonly RouteMatch[]): ReadonlySet<string> {
  return new Set(routes.flatMap(({ source }) => source ?? []));
}
