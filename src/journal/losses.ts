import type { Fault } from "../lib/fault.ts";
import { evictedFault, unprojectedFault } from "./faults.ts";

interface Counts {
  readonly evicted: number;
  readonly unprojected: number;
}

/** Says how many messages left the log that were still needed, those that were not said before. */
export class Losses {
  readonly #journal: Counts;
  /** How many have been said. */
  #said: Counts;

  constructor(journal: Counts) {
    this.#journal = journal;
    this.#said = { evicted: journal.evicted, unprojected: journal.unprojected };
  }

  /** `say` returns false when it is too early to say that again: then it is for the next time. */
  tell(say: (fault: Fault, key: string) => boolean): void {
    const { evicted, unprojected } = this.#journal;
    const newlyEvicted = evicted - this.#said.evicted;
    if (newlyEvicted > 0 && say(evictedFault(newlyEvicted), "evicted")) {
      this.#said = { ...this.#said, evicted };
    }
    const newlyUnprojected = unprojected - this.#said.unprojected;
    if (newlyUnprojected > 0 && say(unprojectedFault(newlyUnprojected), "unprojected")) {
      this.#said = { ...this.#said, unprojected };
    }
  }
}
