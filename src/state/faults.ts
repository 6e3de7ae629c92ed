import { errorCode, Fault } from "../lib/fault.ts";

/** Of the quarantine, and of what else must be written down before something goes on. */
export function writeFailed(cause: unknown): Fault {
  return (
    noRoom(
      "quarantine_full",
      "undecodable messages stay in the journal until they can be quarantined",
      cause,
    ) ?? unwritable("nothing can be quarantined", cause)
  );
}

/** Of the dead letters. */
export function lettersUnwritten(cause: unknown): Fault {
  return (
    noRoom(
      "dead_letters_full",
      "refused messages stay in the journal until their lines can be kept",
      cause,
    ) ?? unwritable("no refused line can be kept", cause)
  );
}

/** Of what a person wants changed. */
export function changeFailed(cause: unknown): Fault {
  return (
    noRoom("state_full", "nothing was removed from state.db", cause) ??
    unwritable("nothing was removed from it", cause)
  );
}

/** Of what a salvage could not read. */
export function salvageUnwritten(cause: unknown): Fault {
  return (
    noRoom("state_full", "the end of a salvage is noted down when there is room", cause) ??
    unwritable("the end of a salvage cannot be noted down", cause)
  );
}

/** Undefined: it is something else. */
function noRoom(code: string, consequence: string, cause: unknown): Fault | undefined {
  const sqlite = errorCode(cause);
  if (sqlite !== "SQLITE_FULL" && sqlite?.startsWith("SQLITE_BUSY") !== true) return undefined;
  const why = sqlite === "SQLITE_FULL" ? "the disk is full" : "another program holds state.db locked";
  return new Fault({
    code,
    layer: "journal",
    disposition: "retry",
    message: `${why}: ${consequence}`,
    hint:
      sqlite === "SQLITE_FULL"
        ? "free space on the disk that holds [journal] dir"
        : "end the program that has state.db open for writing: fuser state.db names it",
    cause,
  });
}

/** See `DamageWatch`. */
export function damagedFault(file: string, cause: unknown): Fault {
  return new Fault({
    code: "state_damaged",
    layer: "journal",
    disposition: "restart",
    message: `${file} is damaged (${errorCode(cause) ?? "unknown error"}): at the next start it is moved aside and a new one begins`,
    hint: "restart flightline if it goes on without it: sudo systemctl restart flightline; look at the kernel log for disk errors",
    cause,
  });
}

function unwritable(consequence: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  return new Fault({
    code: "journal_write_failed",
    layer: "journal",
    disposition: "restart",
    message: `state.db cannot be written (${errorCode(cause) ?? "unknown error"}): ${consequence}`,
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

/** The oldest dead letters left for newer ones. */
export function lettersEvictedFault(count: number): Fault {
  return new Fault({
    code: "dead_letters_evicted",
    layer: "journal",
    disposition: "drop",
    message: `there is no room for more refused lines: ${count} of the oldest were dropped for newer ones`,
    hint: "see why InfluxDB refuses so much: flightline buffer list --dead; what is mended goes back with flightline buffer requeue --dead",
  });
}
