/**
 * A TCP proxy that misbehaves on demand, for one server behind it. Each direction has its own knobs, which
 * act on open connections and on those to come:
 *
 * - pause: nothing is read or passed on, not even the end of the connection: the half-open network;
 * - delayMs: each chunk arrives that much later (latency, not a limit of throughput);
 * - drip: so many bytes at a time, with a pause between.
 *
 * Whole connections can be dropped (FIN or RST) and new ones refused. Observers see the bytes of each
 * direction in the order and at the time that they are passed on.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export type Direction = "toServer" | "toClient";

/** `connection` counts from 1 in the order in which the clients came. */
export type Observer = (direction: Direction, chunk: Buffer, connection: number) => void;

interface Knobs {
  paused: boolean;
  delayMs: number;
  drip: { readonly bytes: number; readonly everyMs: number } | undefined;
}

/** As much as a direction holds while it delays; then it stops reading. */
const mostHeldBytes = 4 * 1024 * 1024;

export class TcpProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #knobs: Readonly<Record<Direction, Knobs>> = {
    toServer: { paused: false, delayMs: 0, drip: undefined },
    toClient: { paused: false, delayMs: 0, drip: undefined },
  };
  readonly #connections = new Set<readonly [Socket, Socket]>();
  readonly #observers = new Set<Observer>();
  #resumed: (() => void)[] = [];
  #refusing = false;
  #accepted = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    // Half-closed connections stay half-closed: an end is passed on as an end.
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#accept(client);
    });
  }

  static async start(targetPort: number, targetHost = "127.0.0.1"): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host: targetHost, port: targetPort });
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that were ever accepted; refused ones do not count. */
  get accepted(): number {
    return this.#accepted;
  }

  get open(): number {
    return this.#connections.size;
  }

  observe(observer: Observer): void {
    this.#observers.add(observer);
  }

  pause(direction: Direction): void {
    this.#knobs[direction].paused = true;
  }

  resume(direction: Direction): void {
    this.#knobs[direction].paused = false;
    const resumed = this.#resumed;
    this.#resumed = [];
    for (const wake of resumed) wake();
  }

  /** 0 turns it off. */
  delay(direction: Direction, delayMs: number): void {
    this.#knobs[direction].delayMs = delayMs;
  }

  /** Undefined turns it off. */
  drip(direction: Direction, drip: { readonly bytes: number; readonly everyMs: number } | undefined): void {
    this.#knobs[direction].drip = drip;
  }

  /** New connections are reset as soon as they come. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  /** Ends every open connection on both sides, by RST or by FIN. */
  dropConnections(how: "reset" | "end" = "reset"): void {
    for (const pair of this.#connections) {
      for (const socket of pair) {
        if (how === "reset") socket.resetAndDestroy();
        else socket.destroySoon();
      }
    }
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.dropConnections();
    this.resume("toServer");
    this.resume("toClient");
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    this.#accepted += 1;
    const number = this.#accepted;
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const pair = [client, server] as const;
    this.#connections.add(pair);
    let open = 2;
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        open -= 1;
        if (open === 0) this.#connections.delete(pair);
      });
    }
    void this.#pump(client, server, "toServer", number);
    void this.#pump(server, client, "toClient", number);
  }

  /** Moves one direction until it ends. Never rejects: what goes wrong here is what the test wants. */
  async #pump(from: Socket, to: Socket, direction: Direction, connection: number): Promise<void> {
    const held: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
    const arrivals = new Arrivals(from, (chunk) => {
      held.push({ chunk, dueMs: performance.now() + this.#knobs[direction].delayMs });
      const heldBytes = held.reduce((sum, item) => sum + item.chunk.length, 0);
      return this.#knobs[direction].paused || heldBytes >= mostHeldBytes;
    });
    for (;;) {
      await this.#whileRunning(direction);
      const next = held.shift();
      if (next === undefined) {
        if (arrivals.over) break;
        from.resume();
        await arrivals.next();
        continue;
      }
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      await this.#pass(next.chunk, to, direction, connection);
    }
    // A reset on one side is a reset on the other; an end is an end.
    if (from.errored === null) to.end();
    else to.resetAndDestroy();
  }

  async #pass(chunk: Buffer, to: Socket, direction: Direction, connection: number): Promise<void> {
    let rest = chunk;
    while (rest.length > 0 && !to.destroyed) {
      await this.#whileRunning(direction);
      const { drip } = this.#knobs[direction];
      const part = drip === undefined ? rest : rest.subarray(0, drip.bytes);
      rest = rest.subarray(part.length);
      for (const observer of this.#observers) observer(direction, part, connection);
      if (!to.write(part)) await Promise.race([once(to, "drain"), once(to, "close")]).catch(() => undefined);
      if (drip !== undefined) await delay(drip.everyMs);
    }
  }

  async #whileRunning(direction: Direction): Promise<void> {
    while (this.#knobs[direction].paused && this.#server.listening) {
      await new Promise<void>((resolve) => {
        this.#resumed.push(resolve);
      });
    }
  }
}

/** Reads a socket into `take`, and stops reading when `take` says that it has enough. */
class Arrivals {
  over = false;
  #wake: (() => void) | undefined;

  constructor(from: Socket, take: (chunk: Buffer) => boolean) {
    from.on("data", (chunk) => {
      if (take(chunk)) from.pause();
      this.#wake?.();
    });
    const end = (): void => {
      this.over = true;
      this.#wake?.();
    };
    from.once("end", end);
    from.once("close", end);
  }

  async next(): Promise<void> {
    if (this.over) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
