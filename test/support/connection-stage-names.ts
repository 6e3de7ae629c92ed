/**
 * Two host names and a DNS server of the test's own, whatever /etc/resolv.conf says: it answers for one of them that it
 * does not exist, and for the other one nothing.
 *
 * Names under .invalid that production code looks up in this process, by the system's way (getaddrinfo) or in DNS
 * itself, are asked of that server; all others are looked up as ever.
 */
import dns from "node:dns";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { syncBuiltinESMExports } from "node:module";
import type { TestContext } from "node:test";

export interface StageNames {
  /** DNS says that it does not exist. */
  readonly unknown: string;
  /** DNS says nothing. */
  readonly unanswered: string;
}

const names: StageNames = { unknown: "unknown.invalid", unanswered: "unanswered.invalid" };

export async function stageNames(t: TestContext): Promise<StageNames> {
  const server = await dnsServer(t);
  const { Resolver } = dns.promises;
  const lookup = dns.lookup;
  const lookupAsync = dns.promises.lookup;
  const resolve4 = Resolver.prototype.resolve4;
  const isOurs = (host: string): boolean => host.endsWith(".invalid");

  /** As getaddrinfo fails. */
  async function failingLookup(host: string): Promise<never> {
    const resolver = new Resolver({ timeout: 100, tries: 1 });
    const code = await resolver.resolve4(host).then(
      () => "",
      (error: unknown) => (error as { readonly code: string }).code,
    );
    const systemCode = code === "ENOTFOUND" ? "ENOTFOUND" : "EAI_AGAIN";
    throw Object.assign(new Error(`getaddrinfo ${systemCode} ${host}`), {
      code: systemCode,
      syscall: "getaddrinfo",
    });
  }
  async function failing(host: string, done: (error: unknown) => void): Promise<void> {
    const [outcome] = await Promise.allSettled([failingLookup(host)]);
    done((outcome as PromiseRejectedResult).reason);
  }
  t.mock.method(dns, "lookup", (host: string, ...rest: readonly unknown[]) => {
    if (isOurs(host)) void failing(host, rest.at(-1) as (error: unknown) => void);
    else Reflect.apply(lookup, dns, [host, ...rest]);
  });
  t.mock.method(dns.promises, "lookup", async (host: string, ...rest: readonly unknown[]) =>
    isOurs(host)
      ? await failingLookup(host)
      : await Reflect.apply(lookupAsync, dns.promises, [host, ...rest]),
  );
  t.mock.method(Resolver.prototype, "resolve4", function (this: dns.promises.Resolver, host: string) {
    if (isOurs(host)) this.setServers([server]);
    return Reflect.apply(resolve4, this, [host]);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return names;
}

/** Its address. */
async function dnsServer(t: TestContext): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    if (query.includes("unanswered")) return;
    const answer = Buffer.from(query);
    // A response (RFC 1035 §4.1.1), whose code is 3: no such name.
    answer[2] = 0x81;
    answer[3] = 0x83;
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}
