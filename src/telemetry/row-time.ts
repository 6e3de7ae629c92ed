/** The time that all rows of one event share. */
export interface RowTime {
  readonly timeNs: bigint;
  /** Where it came from: a column of the rows. */
  readonly timeSource: string;
}
