/**
 * Asks a running daemon, through Node's inspector, how its SQLite connections commit. The inspector is
 * opened by SIGUSR1 after the measurement, so that it costs nothing before; the daemon must run with
 * `--inspect-port=0`.
 */
import { once } from "node:events";
import { waitFor } from "../../support/wait.ts";

const settingNames = ["OFF", "NORMAL", "FULL", "EXTRA"];

/** Database file → its `synchronous` setting. `output`: what the daemon has written until now. */
export async function inspectedSynchronous(
  pid: number,
  output: () => string,
  mainFile: string,
): Promise<Map<string, string>> {
  process.kill(pid, "SIGUSR1");
  const [url] = await waitFor(() => /ws:\/\/\S+/.exec(output()), { what: "the daemon's inspector" });
  const socket = new WebSocket(url);
  await once(socket, "open");
  try {
    const library = `process.getBuiltinModule("module").createRequire(${JSON.stringify(mainFile)})("better-sqlite3")`;
    const prototypeId = objectId(
      await call(socket, "Runtime.evaluate", { expression: `${library}.prototype` }),
      "result",
    );
    const instances = await call(socket, "Runtime.queryObjects", { prototypeObjectId: prototypeId });
    const answer = await call(socket, "Runtime.callFunctionOn", {
      objectId: objectId(instances, "objects"),
      functionDeclaration: `function () {
        return this.filter((database) => database.open)
          .map((database) => [database.name, database.pragma("synchronous", { simple: true })]);
      }`,
      returnByValue: true,
    });
    const { value } = answer["result"] as { value: [string, number][] };
    return new Map(value.map(([file, setting]) => [file, settingNames[setting] ?? String(setting)]));
  } finally {
    socket.close();
  }
}

type Answer = Readonly<Record<string, unknown>>;

/** One call of the Chrome DevTools protocol; they are made one at a time. */
async function call(socket: WebSocket, method: string, params: object): Promise<Answer> {
  socket.send(JSON.stringify({ id: 1, method, params }));
  const [event] = (await once(socket, "message")) as [{ readonly data: string }];
  const { result, error } = JSON.parse(event.data) as { result?: Answer; error?: { message: string } };
  if (result === undefined) throw new Error(`${method}: ${error?.message ?? "no result"}`);
  if ("exceptionDetails" in result)
    throw new Error(`${method}: ${JSON.stringify(result["exceptionDetails"])}`);
  return result;
}

function objectId(answer: Answer, key: string): string {
  const { objectId: id } = answer[key] as { objectId?: string };
  if (id === undefined) throw new Error(`the inspector gave no object: ${JSON.stringify(answer)}`);
  return id;
}
