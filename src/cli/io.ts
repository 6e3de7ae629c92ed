/** What a command may touch of the process it runs in; tests pass their own. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: NodeJS.ProcessEnv;
  /** A person is watching standard output. */
  readonly isTerminal: boolean;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** What only the process itself has; absent where a command runs inside another program. */
  readonly process?: ProcessHooks;
}

export interface ProcessHooks {
  /** Aborted by a second SIGINT or SIGTERM: do not wait. */
  readonly urgent: AbortSignal;
  /** Ends the process at once. */
  exit(code: number): void;
}

/** 0 done, 1 it failed, 2 bad arguments, 78 bad configuration (docs/decisions). */
export const exitCode = { done: 0, failed: 1, usage: 2, config: 78 } as const;

/** One command: what it parsed is done, and this is the exit code. Registered in main.ts. */
export type Run<Options> = (options: Options, io: Io) => Promise<number>;
