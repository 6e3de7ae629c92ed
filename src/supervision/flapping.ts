/**
 * A neighbour (broker, InfluxDB) that keeps appearing and vanishing is said once, and once that it is calm
 * again; what happens in between is counted. Pure.
 *
 * One outage is no flapping, however long. It is when a neighbour has vanished `vanishings` times within
 * the window; it is over when a whole window has passed without any change, up or down.
 */
export interface FlappingSettings {
  readonly windowMs: number;
  readonly vanishings: number;
}

export const defaultFlappingSettings: FlappingSettings = { windowMs: 600_000, vanishings: 5 };

/** Times are monotonic ms. */
export interface FlappingState {
  /** Undefined before the first word. */
  readonly isUp: boolean | undefined;
  readonly lastChangeMs: number;
  /** Changes within the window, oldest first; no longer kept while it flaps. */
  readonly changes: readonly { readonly atMs: number; readonly isUp: boolean }[];
  /** Since it flaps: from the first change of the window that showed it. */
  readonly episode: FlappingCounts | undefined;
}

export interface FlappingCounts {
  readonly sinceMs: number;
  readonly appeared: number;
  readonly vanished: number;
}

export type FlappingNews =
  | { readonly kind: "flapping"; readonly counts: FlappingCounts }
  /** `isUp`: it may have calmed down by staying away. */
  | { readonly kind: "calm"; readonly counts: FlappingCounts; readonly isUp: boolean };

export const neverSeen: FlappingState = { isUp: undefined, lastChangeMs: 0, changes: [], episode: undefined };

/**
 * Told the state of the neighbour, changed or not. Calm is only noticed by being told: repeat the present
 * state now and then.
 */
export function flappingTold(
  state: FlappingState,
  isUp: boolean,
  nowMs: number,
  settings: FlappingSettings,
): { readonly state: FlappingState; readonly news: FlappingNews | undefined } {
  const before = calmed(state, nowMs, settings);
  // The first word is how we found it: neither an appearance nor a vanishing.
  if (before.state.isUp === undefined)
    return { state: { ...neverSeen, isUp, lastChangeMs: nowMs }, news: undefined };
  if (before.state.isUp === isUp) return before;
  const changed = change(before.state, isUp, nowMs, settings);
  return { state: changed.state, news: before.news ?? changed.news };
}

function calmed(
  state: FlappingState,
  nowMs: number,
  settings: FlappingSettings,
): { readonly state: FlappingState; readonly news: FlappingNews | undefined } {
  const { episode, isUp } = state;
  if (episode === undefined || isUp === undefined || nowMs - state.lastChangeMs < settings.windowMs)
    return { state, news: undefined };
  return { state: { ...state, episode: undefined }, news: { kind: "calm", counts: episode, isUp } };
}

function change(
  state: FlappingState,
  isUp: boolean,
  nowMs: number,
  settings: FlappingSettings,
): { readonly state: FlappingState; readonly news: FlappingNews | undefined } {
  const told = { isUp, lastChangeMs: nowMs };
  if (state.episode !== undefined) {
    const { sinceMs, appeared, vanished } = state.episode;
    const episode = {
      sinceMs,
      appeared: appeared + (isUp ? 1 : 0),
      vanished: vanished + (isUp ? 0 : 1),
    };
    return { state: { ...told, changes: [], episode }, news: undefined };
  }
  const recent = state.changes.filter(({ atMs }) => atMs > nowMs - settings.windowMs);
  const changes = [...recent, { atMs: nowMs, isUp }];
  const vanished = changes.filter((one) => !one.isUp).length;
  if (vanished < settings.vanishings)
    return { state: { ...told, changes, episode: undefined }, news: undefined };
  const sinceMs = changes[0]?.atMs ?? nowMs;
  const counts = { sinceMs, appeared: changes.length - vanished, vanished };
  return { state: { ...told, changes: [], episode: counts }, news: { kind: "flapping", counts } };
}
