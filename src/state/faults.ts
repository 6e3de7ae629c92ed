import { errorCode, Fault } from "../lib/fault.ts";

export function writeFailed(cause: unknown): Fault {
  const code = errorCode(cause);
  if (code === "SQLITE_FULL" || code?.startsWith("SQLITE_BUSY") === true) {
    const why = code === "SQLITE_FULL" ? "the disk is full" : "another program holds state.db locked";
    return new Fault({
      code: "quarantine_full",
      layer: "journal",
      disposition: "retry",
      message: `${why}: undecodable messages stay in the journal until they can be quarantined`,
      hint:
        code === "SQLITE_FULL"
          ? "free space on the disk that holds [journal] dir"
          : "end the program that has state.db open for writing: fuser state.db names it",
      cause,
    });
  }
  return new Fault({
    code: "journal_write_failed",
    layer: "journal",
    disposition: "restart",
    message: `state.db cannot be written (${code ?? "unknown error"}): nothing can be quarantined`,
    hint: "free space on the disk that holds [journal] dir, or look at the kernel log for disk errors",
    cause,
  });
}

/** The oldest messages left the quarantine for newer ones. */
export function quarantineEvictedFault(count: number): Fault {
  return new Fault({
    code: "quarantine_evicted",
    layer: "journal",
    disposition: "drop",
    message: `the quarantine is full: ${count} of the oldest messages in it were dropped for newer ones`,
    hint: "find out why so much cannot be decoded; narrow topics if something else publishes there",
  });
}
