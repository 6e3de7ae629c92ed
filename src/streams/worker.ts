/**
 * The body of the streams process: queries that run beside each other, with one Flight client for each
 * connection.
 *
 * Invariants: rows leave only against credit, and without credit the stream is not pulled, which holds the
 * server back; so a request keeps one record batch in memory at most. After its `end` or `fault` nothing is
 * sent for a request. Clients that were replaced are closed with their last query.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { FlightClient, FlightConfig } from "../influx/flight/api.ts";
import type { Row } from "../influx/arrow/rows.ts";
import { Fault } from "../lib/fault.ts";
import { Secret } from "../lib/secret.ts";
import type { ProxyConfig } from "../net/config.ts";
import { Wakeup } from "../lib/wakeup.ts";
import { messageTooBigFault, noConnectionFault, unreadableQueryFault } from "./faults.ts";
import { nextGroup } from "./groups.ts";
import {
  type Credit,
  type FromProcess,
  idOfQuery,
  maxGroup,
  type PlainConfig,
  type PlainQuery,
  toProcessOf,
  type Vitals,
} from "./messages.ts";
import { plainFaultOf } from "./plain-fault.ts";

export interface WorkerDeps {
  /** The bytes that went. Undefined: the message is longer than a message may be, and nothing was sent. */
  readonly send: (message: FromProcess) => number | undefined;
  readonly createClient: (config: FlightConfig) => FlightClient;
  readonly memory: () => Pick<Vitals, "rssBytes" | "heapBytes" | "externalBytes">;
}

/** A client, or why there is none. */
interface Connection {
  readonly client: FlightClient | Fault;
  queries: number;
  /** False: there is another configuration. */
  isCurrent: boolean;
}

interface Running {
  readonly id: number;
  readonly abort: AbortController;
  readonly changed: Wakeup;
  rows: number;
  bytes: number;
}

export class Worker {
  readonly #deps: WorkerDeps;
  readonly #running = new Map<number, Running>();
  /** The id of the request whose code is running. */
  readonly #current = new AsyncLocalStorage<number>();
  #connections = new Map<string, Connection>();
  #dropped = 0;

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
  }

  /** What has arrived, whatever it is. */
  receive(value: unknown): void {
    const message = toProcessOf(value);
    switch (message?.kind) {
      case undefined:
        this.#refuse(value);
        return;
      case "configure":
        this.#configure(message.connections);
        this.#deps.send({ kind: "ready", id: message.id });
        return;
      case "ping":
        this.#deps.send({ kind: "pong", id: message.id, vitals: this.#vitals() });
        return;
      case "query":
        this.#begin(message.id, message.query, message.credit);
        return;
      case "credit":
        this.#extend(message.id, message.credit);
        return;
      case "cancel":
        this.#cancel(message.id);
    }
  }

  /** Something that could not be read at all. */
  receiveBroken(): void {
    this.#dropped += 1;
  }

  /**
   * An error that nobody caught, in the code of whichever request runs now. False: it is no request's. It
   * may be one's that has ended already: then there is nobody to tell.
   */
  failCurrent(error: unknown, isFatal: boolean): boolean {
    const id = this.#current.getStore();
    if (id === undefined) return false;
    const running = this.#running.get(id);
    if (running !== undefined) this.#fail(running, error, isFatal);
    return true;
  }

  #refuse(value: unknown): void {
    this.#dropped += 1;
    const id = idOfQuery(value);
    if (id === undefined || this.#running.has(id)) return;
    this.#deps.send({ kind: "fault", id, fault: plainFaultOf(unreadableQueryFault()), isFatal: false });
  }

  #configure(connections: Readonly<Record<string, PlainConfig>>): void {
    const before = [...this.#connections.values()];
    this.#connections = new Map(
      Object.entries(connections).map(([name, config]) => [
        name,
        { client: this.#connect(config), queries: 0, isCurrent: true },
      ]),
    );
    for (const connection of before) {
      connection.isCurrent = false;
      if (connection.queries === 0) close(connection);
    }
  }

  #connect({ token, proxy, ...rest }: PlainConfig): FlightClient | Fault {
    try {
      return this.#deps.createClient({
        ...rest,
        ...(token === undefined ? {} : { token: new Secret(token) }),
        ...(proxy === undefined ? {} : { proxy: proxyOf(proxy) }),
      });
    } catch (error) {
      if (error instanceof Fault) return error;
      throw error;
    }
  }

  #begin(id: number, query: PlainQuery, { rows, bytes }: Credit): void {
    if (this.#connections.size === 0 || this.#running.has(id)) {
      this.#dropped += 1;
      return;
    }
    const running = { id, abort: new AbortController(), changed: new Wakeup(), rows, bytes };
    this.#running.set(id, running);
    const connection = this.#connections.get(query.connection);
    if (connection === undefined) {
      this.#fail(running, noConnectionFault(query.connection), false);
      return;
    }
    connection.queries += 1;
    void this.#current.run(id, async () => await this.#answer(running, connection, query));
  }

  async #answer(running: Running, connection: Connection, { times, ...query }: PlainQuery): Promise<void> {
    try {
      const { client } = connection;
      if (client instanceof Fault) throw client;
      const stream = client.query({ ...query, signal: running.abort.signal });
      const rows = stream.rows(times === undefined ? {} : { times });
      this.#tell(running, { kind: "columns", id: running.id, columns: await rows.columns() });
      for await (const batch of rows.batches()) {
        await this.#sendRows(running, batch);
        await this.#creditOf(running);
        if (this.#isOver(running)) return;
      }
      this.#tell(running, { kind: "end", id: running.id, end: await stream.ended });
      this.#running.delete(running.id);
    } catch (error) {
      this.#fail(running, error, false);
    } finally {
      connection.queries -= 1;
      if (connection.queries === 0 && !connection.isCurrent) close(connection);
    }
  }

  async #sendRows(running: Running, batch: readonly Row[]): Promise<void> {
    for (let start = 0; start < batch.length;) {
      await this.#creditOf(running);
      if (this.#isOver(running)) return;
      const { end } = nextGroup(batch, start, {
        rows: Math.min(maxGroup.rows, running.rows),
        bytes: Math.min(maxGroup.bytes, running.bytes),
      });
      running.bytes -= this.#tell(running, { kind: "rows", id: running.id, rows: batch.slice(start, end) });
      running.rows -= end - start;
      start = end;
    }
  }

  /** Resolves when there is credit, or when the request is over. */
  async #creditOf(running: Running): Promise<void> {
    for (;;) {
      const { version } = running.changed;
      if ((running.rows > 0 && running.bytes > 0) || this.#isOver(running)) return;
      await running.changed.changedSince(version, running.abort.signal);
    }
  }

  #extend(id: number, { rows, bytes }: Credit): void {
    const running = this.#known(id);
    if (running === undefined) return;
    running.rows += rows;
    running.bytes += bytes;
    running.changed.notify();
  }

  #cancel(id: number): void {
    const running = this.#known(id);
    if (running !== undefined) this.#end(running);
  }

  #known(id: number): Running | undefined {
    const running = this.#running.get(id);
    if (running === undefined) this.#dropped += 1;
    return running;
  }

  #fail(running: Running, error: unknown, isFatal: boolean): void {
    if (this.#isOver(running)) return;
    this.#deps.send({ kind: "fault", id: running.id, fault: plainFaultOf(error), isFatal });
    this.#end(running);
  }

  #end(running: Running): void {
    this.#running.delete(running.id);
    running.abort.abort(new Error("the request is over"));
  }

  #isOver({ id }: Running): boolean {
    return !this.#running.has(id);
  }

  /** The bytes that went. */
  #tell(running: Running, message: FromProcess): number {
    if (this.#isOver(running)) return 0;
    const bytes = this.#deps.send(message);
    if (bytes === undefined) throw messageTooBigFault(message.kind === "rows" ? "a row" : "the schema");
    return bytes;
  }

  #vitals(): Vitals {
    return { ...this.#deps.memory(), underWay: this.#running.size, dropped: this.#dropped };
  }
}

function close({ client }: Connection): void {
  if (!(client instanceof Fault)) client.close();
}

function proxyOf({ password, ...rest }: NonNullable<PlainConfig["proxy"]>): ProxyConfig {
  return password === undefined ? rest : { ...rest, password: new Secret(password) };
}
