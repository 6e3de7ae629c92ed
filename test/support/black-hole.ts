/** A port of the loopback on which packets vanish, as behind a firewall that drops them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

const listener = "require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, told)";

/**
 * The kernel drops every SYN to this port: its process is stopped, and the queue of connections that wait for it is
 * full.
 */
export async function packetDropper(t: TestContext): Promise<number> {
  const program = `${listener}; function told() { console.log(this.address().port); }`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const waiting: Socket[] = [];
  t.after(async () => {
    for (const socket of waiting) socket.destroy();
    child.kill("SIGKILL");
    await closed;
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(line.toString());
  child.kill("SIGSTOP");
  for (;;) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    waiting.push(socket);
    if (waiting.length > 16)
      throw new Error("the queue of a stopped process takes any number of connections");
    const isTaken = await Promise.race([once(socket, "connect").then(() => true), delay(100, false)]);
    if (!isTaken) return port;
  }
}
