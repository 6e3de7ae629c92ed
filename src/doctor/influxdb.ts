/**
 * What `flightline doctor` says about writing to one InfluxDB. It is asked over the connection that writes take, with
 * their token; nothing is written, created or changed there. Lines come in the order of the layers.
 */
import type { InfluxConfig } from "../influx/config.ts";
import { createSchemaReader } from "../influx/schema-reader.ts";
import { serverWords } from "../influx/server-words.ts";
import { Fault } from "../lib/fault.ts";
import { peerWords, type Peer } from "../net/diagnose.ts";
import type { Examination } from "./finding.ts";
import { boundsOf, narrowed, tellClock, type ClockBounds } from "./influxdb-clock.ts";
import { examineWay } from "./influxdb-connection.ts";
import {
  databasesIn,
  databasesPath,
  retentionOf,
  tellCoreLimits,
  tellDatabase,
  type Retention,
} from "./influxdb-database.ts";
import { openInfluxHttp, type InfluxHttp, type Question, type TimedAnswer } from "./influxdb-http.ts";
import { bugsOf, knownUpTo } from "./influxdb-known-bugs.ts";
import { Lines, median, roundedMs, shownMs } from "./lines.ts";
import { readPing, type Ping, type Server } from "./influxdb-server.ts";
import { tellToken, tellTokenByWrite } from "./influxdb-token.ts";
import { proveWrite, type WriteProof } from "./influxdb-write-proof.ts";

export interface InfluxdbOptions {
  /**
   * "database": another part says all about the same server, and this one only about its token and database, as for
   * a route. Default: "server".
   */
  readonly about?: "server" | "database";
  /** Of one request. Default: 5 s. */
  readonly stepMs?: number;
}

const ofServer = ["name", "tcp", "tls", "alpn", "server"] as const;
const ofDatabase = ["token", "write", "database", "schema"] as const;
const ofAnswers = ["known_bugs", "clock", "round_trip"] as const;

const defaultStepMs = 5000;
const roundTrips = 5;

/** Its checks begin with `influxdb.<name>`. */
export function examineInfluxdb(
  name: string,
  config: InfluxConfig,
  options: InfluxdbOptions = {},
): Examination {
  const isWhole = options.about !== "database";
  return async (report, signal) => {
    const proxy = isWhole && config.proxy !== undefined ? ["proxy"] : [];
    const checks = [...proxy, ...(isWhole ? ofServer : []), ...ofDatabase, ...(isWhole ? ofAnswers : [])];
    const lines = new Lines(`influxdb.${name}`, checks, report);
    const look = new Look(config, { lines, signal, isWhole, stepMs: options.stepMs ?? defaultStepMs });
    try {
      await look.run(new Set(checks));
    } catch (error) {
      // What was not told is said by the runner, which has the time.
      if (!signal.aborted) throw error;
    } finally {
      look.close();
    }
  };
}

interface LookOptions {
  readonly lines: Lines;
  readonly signal: AbortSignal;
  readonly isWhole: boolean;
  readonly stepMs: number;
}

class Look {
  readonly #config: InfluxConfig;
  readonly #lines: Lines;
  readonly #signal: AbortSignal;
  readonly #isWhole: boolean;
  readonly #stepMs: number;
  readonly #peer: Peer;
  readonly #http: InfluxHttp;
  readonly #clocks: ClockBounds[] = [];

  constructor(config: InfluxConfig, { lines, signal, isWhole, stepMs }: LookOptions) {
    this.#config = config;
    this.#lines = lines;
    this.#signal = signal;
    this.#isWhole = isWhole;
    this.#stepMs = stepMs;
    this.#peer = { target: "write", url: config.url };
    this.#http = openInfluxHttp(config, stepMs);
  }

  close(): void {
    this.#http.close();
  }

  async run(told: ReadonlySet<string>): Promise<void> {
    const { tls, proxy, token } = this.#config;
    const way = { peer: this.#peer, tls, proxy, speaks: "http", hasToken: token !== undefined } as const;
    const { isOpen, suspicion } = await examineWay(way, told, this.#lines, this.#signal);
    if (!isOpen) {
      this.#lines.rest("not tried: no connection");
      return;
    }
    const ping = await this.#ping();
    if (ping instanceof Fault || ping.kind === "other") {
      const fault = ping instanceof Fault ? ping : ping.fault;
      // The probe has looked closer; alone it proves nothing, for a path prefix may lead elsewhere.
      this.#lines.fault("server", suspicion ?? fault);
      this.#lines.rest("not tried: no InfluxDB answers there");
      return;
    }
    const server = ping.kind === "server" ? ping.server : undefined;
    if (this.#isWhole) tellServer(this.#lines, ping);
    const facts = await this.#tellAccess(server, ping);
    if (!this.#isWhole) return;
    this.#tellBugs(server, facts.api);
    const roundTrip = await this.#tellRoundTrip();
    const retentionMs = typeof facts.retention === "number" ? facts.retention : undefined;
    const { name } = peerWords(this.#peer);
    tellClock(this.#lines, narrowed(this.#clocks), { name, retentionMs });
    roundTrip();
  }

  async #ask(question: Question): Promise<TimedAnswer | Fault> {
    const answer = await this.#http.ask(question, this.#signal);
    if (answer instanceof Fault) return answer;
    const theirMs = Date.parse(answer.headers.date ?? "");
    // Some servers look at their clock a little less often than once a second.
    if (!Number.isNaN(theirMs)) this.#clocks.push(boundsOf({ ...answer, theirMs, stepMs: 1100 }));
    return answer;
  }

  async #ping(): Promise<Ping | Fault> {
    const answer = await this.#ask({ method: "GET", path: "/ping" });
    return answer instanceof Fault ? answer : readPing(answer);
  }

  /** The lines of `ofDatabase`. */
  async #tellAccess(server: Server | undefined, ping: Ping): Promise<AccessFacts> {
    const { database, retention: wanted, url, token } = this.#config;
    const [lines, http, signal] = [this.#lines, this.#http, this.#signal];
    const listed = await this.#ask({ method: "GET", path: databasesPath });
    const names = listed instanceof Fault ? undefined : databasesIn(listed);
    const verdict = await tellToken(lines, { url, token, ping, listed, http }, signal);
    if (verdict === "refused") {
      for (const check of ["write", "database", "schema"]) {
        lines.skipped(check, "not tried: the token comes first");
      }
      return { api: undefined, retention: undefined };
    }
    const proof = await proveWrite(http, this.#config, signal);
    if (verdict === "unknown") tellTokenByWrite(lines, proof);
    this.#tellWrite(proof, server);
    const isThere = names?.includes(database) !== false;
    const retention = isThere ? await retentionOf(http, database, signal) : undefined;
    tellDatabase(lines, { database, wanted, edition: server?.edition, names, retention });
    if (this.#isWhole && server?.edition === "core") tellCoreLimits(lines, names);
    await this.#tellSchema();
    return { api: proof.api, retention };
  }

  #tellWrite(proof: WriteProof, server: Server | undefined): void {
    const { api } = proof;
    if (proof.kind === "taken") {
      const isFallback = api === "v2" && this.#config.writeApi === "auto";
      const which = isFallback ? " (there is no v3 one: Clustered, Dedicated or Serverless)" : "";
      const text = `the ${api} write API${which} is there and may be used; nothing was written`;
      this.#lines.ok("write", text, { api });
    } else if (proof.kind === "unclear") {
      const said = serverWords(proof.body) || "nothing";
      const text = `whether the ${api} write API takes lines is not known: the test line was refused, and not as what it is (HTTP ${proof.status}: ${said})`;
      const hint =
        "see what that answer says of the database; one that is not InfluxDB's comes from a firewall or proxy that must let writes pass";
      this.#lines.warning("write", text, hint, { api });
    } else if (api === "v2" && proof.status === 500 && answersRefusalsWith500(server)) {
      const text =
        "the v2 write API answers; before 3.10, whether it takes writes cannot be proven without writing";
      this.#lines.warning("write", text, 'set influxdb.write_api to "auto", which uses v3 here', { api });
    } else this.#lines.fault("write", proof.fault);
  }

  /** Whether the types of columns are known before anything is written, as the daemon finds out. */
  async #tellSchema(): Promise<void> {
    const elsewhere = new Fault({
      code: "schema_unavailable",
      layer: "flight",
      disposition: "retry",
      message: "there is no SQL over HTTP here",
    });
    const askOverFlight = (): Promise<never> => Promise.reject(elsewhere);
    const config = { ...this.#config, writeTimeoutMs: this.#stepMs };
    // Of no table: only whether it may be asked.
    const reader = createSchemaReader({ config, tables: [], prefix: "", askOverFlight });
    try {
      const answer = await reader.read(this.#signal);
      if (answer.kind === "read") {
        this.#lines.ok("schema", "may be read over HTTP: columns and their types are known before writing");
      } else if (answer.fault === elsewhere) {
        this.#lines.skipped("schema", "there is no SQL over HTTP here: it is read over Flight");
      } else this.#lines.fault("schema", answer.fault, "warning");
    } finally {
      reader.close();
    }
  }

  #tellBugs(server: Server | undefined, writeApi: "v3" | "v2" | undefined): void {
    if (server?.edition === undefined || server.version === undefined) {
      const why =
        server?.versionText === undefined
          ? "the version is not told"
          : "they are known of Core and Enterprise only";
      this.#lines.skipped("known_bugs", `not looked up: ${why}`);
      return;
    }
    const wantsRetention = this.#config.retention !== undefined;
    const bugs = bugsOf(server.version, { edition: server.edition, writeApi, wantsRetention });
    for (const { id, text, hint } of bugs) {
      this.#lines.warning("known_bugs", `${server.versionText}: ${text}`, hint, { bug: id });
    }
    if (bugs.length > 0) return;
    const text = `none of ${server.versionText} that would matter here (as known of releases up to ${knownUpTo})`;
    this.#lines.ok("known_bugs", text);
  }

  /** Gives the way to tell it, after the clock, which these answers tell too. */
  async #tellRoundTrip(): Promise<() => void> {
    const tookMs: number[] = [];
    for (let n = 0; n < roundTrips; n += 1) {
      const answer = await this.#ask({ method: "GET", path: "/ping" });
      if (answer instanceof Fault) return () => this.#lines.fault("round_trip", answer, "warning");
      tookMs.push(answer.tookMs);
    }
    const ms = median(tookMs) ?? 0;
    return () => {
      const text = `${shownMs(ms)}, the median of ${roundTrips} requests on one connection`;
      this.#lines.ok("round_trip", text, { roundTripMs: roundedMs(ms) });
    };
  }
}

interface AccessFacts {
  readonly api: "v3" | "v2" | undefined;
  readonly retention: Retention;
}

function tellServer(lines: Lines, ping: Ping): void {
  if (ping.kind === "needs_token") {
    const what = ping.isInfluxdb3 ? "an InfluxDB 3 answers; its" : "its";
    lines.skipped("server", `${what} version is told with a valid token only`);
  } else if (ping.kind === "untold") {
    lines.skipped(
      "server",
      `it does not say what it is (/ping: HTTP ${ping.status}), as some of Clustered and Cloud`,
    );
  } else if (ping.kind === "server") {
    const { product, versionText = "?", build = "" } = ping.server;
    lines.ok("server", `${product} ${versionText}`, { version: versionText, build });
  }
}

function answersRefusalsWith500(server: Server | undefined): boolean {
  const { edition, version } = server ?? {};
  return edition !== undefined && version !== undefined && version[0] === 3 && version[1] < 10;
}
