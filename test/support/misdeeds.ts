/** What a query can do to its streams process (fakes/flight-client.ts), and what then is to be seen. */

export interface Misdeed {
  /** The query. */
  readonly text: string;
  readonly name: string;
  /** Of the fault with which the query ends. */
  readonly code: string;
  /** Of the process; undefined: it goes on. */
  readonly end?: "streams_died" | "streams_stuck" | "streams_memory";
}

export const misdeeds: readonly Misdeed[] = [
  { text: "exception", name: "an exception in a decoder", code: "streams_request_failed" },
  { text: "rejection", name: "a rejected promise", code: "streams_request_failed" },
  {
    text: "exceptionLater",
    name: "an exception that nobody catches",
    code: "streams_request_failed",
    end: "streams_died",
  },
  {
    text: "errorEvent",
    name: "an 'error' without a listener",
    code: "streams_request_failed",
    end: "streams_died",
  },
  { text: "loop", name: "an endless loop", code: "streams_stuck", end: "streams_stuck" },
  { text: "heap", name: "a full heap", code: "streams_died", end: "streams_died" },
  { text: "buffers", name: "memory outside the heap", code: "streams_memory", end: "streams_memory" },
  { text: "abort", name: "a native abort", code: "streams_died", end: "streams_died" },
];
