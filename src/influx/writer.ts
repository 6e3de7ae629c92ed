import { Fault } from "../lib/fault.ts";
import { createWriteClient } from "./client.ts";
import type { InfluxConfig } from "./config.ts";
import { classifyDatabase, databaseBody, databasePath, type DatabaseOutcome } from "./database.ts";
import { orFault } from "./exchange.ts";
import { classify, type Answer, type Attempt, type WriteOutcome } from "./outcome.ts";
import type { Outages } from "../net/probe-outage.ts";
import { createTransport, outagesOf } from "./transport.ts";

/**
 * Writes line protocol to one database. All or nothing (`accept_partial=false`): before 3.11.2 a
 * partial write can merge the tags of a refused line into the next one. The answer is awaited until
 * the server has the lines on disk (no `no_sync`), so "delivered" may be settled.
 *
 * The precision is spelled out for v3, where releases before 3.6 do not know `ns`; v2 knows only that.
 */
export interface LineWriter {
  /**
   * `lines` is line protocol with nanosecond timestamps, separated by \n, not empty. Failures of the
   * world are outcomes; it rejects only with the signal's reason.
   */
  write(lines: string, signal: AbortSignal): Promise<WriteOutcome>;
  /** Creates the database where `retention` is configured. Call it before the first write until it is not "retry". */
  ensureDatabase(signal: AbortSignal): Promise<DatabaseOutcome>;
  /** Writes under way end as "retry". */
  close(): Promise<void>;
}

/** `outages`: of that server, shared with whoever else asks it. */
export function createWriter(config: InfluxConfig, outages: Outages = outagesOf(config)): LineWriter {
  const http = createTransport(config, outages);
  const client = createWriteClient(http);
  const name = encodeURIComponent(config.database);
  const paths = {
    v3: `/api/v3/write_lp?db=${name}&precision=nanosecond&accept_partial=false`,
    v2: `/api/v2/write?bucket=${name}&precision=ns`,
  } as const;
  /** What the next write uses: with `auto`, v2 from the first 405 on. */
  let api: "v3" | "v2" = config.writeApi === "v2" ? "v2" : "v3";

  async function writeTo(used: "v3" | "v2", lines: string, signal: AbortSignal): Promise<WriteOutcome> {
    const attempt = await attemptOf(client.write(lines, paths[used], signal), signal);
    const mayUseV2 = used === "v3" && config.writeApi === "auto";
    const outcome = classify(attempt, { api: used, mayUseV2, nowMs: Date.now(), written: lines });
    if (outcome.kind !== "use_v2") return outcome;
    api = "v2";
    return await writeTo("v2", lines, signal);
  }

  return {
    write: (lines, signal) => writeTo(api, lines, signal),
    async ensureDatabase(signal) {
      if (config.retention === undefined) return { kind: "ready" };
      const body = databaseBody(config.database, config.retention);
      const contentType = "application/json";
      const attempt = await attemptOf(http.post({ path: databasePath, body, contentType, signal }), signal);
      return classifyDatabase(attempt, config.database, Date.now());
    },
    async close() {
      http.close();
      await client.close();
    },
  };
}

async function attemptOf(asked: Promise<Answer>, signal: AbortSignal): Promise<Attempt> {
  const answer = await orFault(asked, signal);
  return answer instanceof Fault ? { error: answer } : { answer };
}
