/** HTTP proxies of a connection stage: one that is well, and others that are not. */
import type { TestContext } from "node:test";
import type { ConnectionStage } from "./connection-stage.ts";
import { connectProxy } from "./connect-proxy.ts";

export interface StageProxies {
  readonly well: string;
  readonly wantsPassword: string;
  readonly refuses: string;
  readonly cannotReach: string;
  readonly nobody: string;
  readonly silent: string;
  readonly notHttp: string;
}

export async function startStageProxies(t: TestContext, { others }: ConnectionStage): Promise<StageProxies> {
  const answering = async (answer: string): Promise<string> =>
    (await connectProxy(t, { answer: () => answer })).url;
  return {
    well: (await connectProxy(t)).url,
    wantsPassword: await answering("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
    refuses: await answering("HTTP/1.1 403 Forbidden\r\n\r\n"),
    cannotReach: await answering("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
    nobody: `http://127.0.0.1:${others.nobody}`,
    silent: await answering(""),
    notHttp: `http://127.0.0.1:${others.ssh}`,
  };
}
