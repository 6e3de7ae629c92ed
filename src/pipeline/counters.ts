/** What happened since the start, for logs and status. Plain data, written by the pipeline only. */
export interface Counters {
  received: number;
  receivedQos0: number;
  committed: number;
  acknowledged: number;
  /** Messages of brokers whose rows InfluxDB has, but for those that are dead-lettered. */
  written: number;
  /** Messages of our own (sums, the registry, this daemon's health) whose rows InfluxDB has. */
  ownWritten: number;
  /** Rows that InfluxDB has. */
  points: number;
  batches: number;
  /** Understood, and no table has a row for them; by event name. */
  unmapped: Map<string, number>;
  /** Statistics and connection states of gateways, which get no rows of their own. */
  projected: number;
  /** Retained messages that do not say when it happened: not written. */
  retained: number;
  /** By fault code. */
  quarantined: Map<string, number>;
  /** Lines that a database refused and that are dead-lettered, by fault code. */
  deadLines: Map<string, number>;
  /** Messages of which no line is in InfluxDB because all were refused, by fault code of the last one. */
  deadMessages: Map<string, number>;
  duplicates: number;
  /** JSON members of written messages that did not fit their type and were left out. */
  droppedParts: number;
  /** Values of rows that found no column, at least: rows are prepared again when columns turn out otherwise. */
  fieldsLeftOut: number;
  retries: number;
  /** Messages in batches that InfluxDB refused, which wait to be tried again, now. */
  held: number;
  /** Messages that wait for the clock to be right, now. */
  waitingForClock: number;
}

export function newCounters(): Counters {
  return {
    received: 0,
    receivedQos0: 0,
    committed: 0,
    acknowledged: 0,
    written: 0,
    ownWritten: 0,
    points: 0,
    batches: 0,
    unmapped: new Map(),
    projected: 0,
    retained: 0,
    quarantined: new Map(),
    deadLines: new Map(),
    deadMessages: new Map(),
    duplicates: 0,
    droppedParts: 0,
    fieldsLeftOut: 0,
    retries: 0,
    held: 0,
    waitingForClock: 0,
  };
}

export function copyCounters(counters: Counters): Counters {
  return {
    ...counters,
    unmapped: new Map(counters.unmapped),
    quarantined: new Map(counters.quarantined),
    deadLines: new Map(counters.deadLines),
    deadMessages: new Map(counters.deadMessages),
  };
}

export function countUnder(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

export function total(map: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of map.values()) sum += count;
  return sum;
}
