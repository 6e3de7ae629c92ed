import type { Beat } from "../lib/pulse.ts";
import type { Lane } from "./slots.ts";

/** The forwarder moves when both lanes do: one that is stuck must not hide behind the other. */
export function beatOfBoth(beat: Beat): Readonly<Record<Lane, Beat>> {
  const moved = { fresh: false, backlog: false };
  const beatOf = (lane: Lane) => (): void => {
    moved[lane] = true;
    if (!moved.fresh || !moved.backlog) return;
    moved.fresh = false;
    moved.backlog = false;
    beat();
  };
  return { fresh: beatOf("fresh"), backlog: beatOf("backlog") };
}
