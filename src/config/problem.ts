/** What is wrong with the configuration, said to a person. Pure. */

export interface Problem {
  readonly file: string;
  /** Both from 1; absent where the trouble is the whole file. */
  readonly line?: number;
  readonly column?: number;
  /** `influxdb.url`; "" where the trouble is the whole file. */
  readonly key: string;
  /** Never contains a secret. */
  readonly message: string;
  readonly hint?: string;
}

/** `FILE:LINE: KEY: message`, and the hint on a line of its own. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const key = problem.key === "" ? "" : `${problem.key}: `;
  const hint = problem.hint === undefined ? "" : `\n    ${problem.hint}`;
  return `${place}: ${key}${problem.message}${hint}\n`;
}
