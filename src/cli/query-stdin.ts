/** A query that comes from standard input. */
import { addAbortSignal, type Readable } from "node:stream";

/** Far below what a server takes in one request (4 MiB). */
const maxBytes = 1024 * 1024;

/** The text, or one sentence about what is wrong with it. Rejects when the signal aborts. */
export async function readQueryText(
  stdin: Readable,
  signal: AbortSignal,
): Promise<string | { readonly mistake: string }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return { mistake: "the query on standard input is longer than 1 MiB." };
    chunks.push(chunk);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
    return text.trim() === "" ? { mistake: "the query on standard input is empty." } : text;
  } catch {
    return { mistake: "the query on standard input is no UTF-8." };
  }
}
