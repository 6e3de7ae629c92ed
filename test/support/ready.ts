import type { ReadyMessage } from "../../src/pipeline/ready.ts";

/** Line protocol of a prepared message; "" of none. */
export function textOf(message: Pick<ReadyMessage, "lines"> | undefined): string {
  return (message?.lines ?? []).map(({ text }) => text).join("\n");
}
