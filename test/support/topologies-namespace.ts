/**
 * A test file in namespaces of its own (mounts, network, processes): there, the names and ports of a Kubernetes
 * cluster are this machine's. `/etc/hosts` and `/etc/resolv.conf` are files of the test, every port below 1024 is
 * free, nothing but loopback exists, and whatever is started dies with the test file.
 *
 * node:test speaks to its runner on standard output, so a file that starts itself again in there and passes its
 * standard output on is reported like any other.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Set inside: the folder of the machine. */
const mark = "FLIGHTLINE_TEST_CLUSTER";

const programs = ["nginx", "openssl", "ip", "setpriv", "unshare"];

/** Given inside; files in `folder` go when the test file has ended. */
export interface Namespace {
  readonly folder: string;
  /** Takes effect with the next lookup. */
  setHosts(addresses: Readonly<Record<string, string>>): void;
}

/**
 * Inside: the namespace. Outside it does not return: it waits for the test file inside, and ends as that does. Where
 * there can be none: why, as the reason to skip.
 */
export async function enterNamespace(testFile: string): Promise<Namespace | string> {
  const folder = process.env[mark];
  if (folder !== undefined) return inside(folder);
  const obstacle = whyNoNamespace();
  if (obstacle === undefined) process.exit(await runInside(testFile));
  // A container without the right to make namespaces: no installation cures that, so it is no failure in CI either.
  if (process.env["CI"] !== undefined && !obstacle.isForGood) throw new Error(obstacle.text);
  return obstacle.text;
}

function inside(folder: string): Namespace {
  // Closes when the process outside is gone, however it went.
  process.stdin.on("end", () => process.exit(1)).resume();
  process.stdin.unref();
  return {
    folder,
    setHosts(addresses) {
      const lines = Object.entries(addresses).map(([name, address]) => `${address} ${name}`);
      writeFileSync(join(folder, "hosts"), `${["127.0.0.1 localhost", ...lines].join("\n")}\n`);
    },
  };
}

interface Obstacle {
  readonly text: string;
  readonly isForGood: boolean;
}

function whyNoNamespace(): Obstacle | undefined {
  if (process.getuid?.() !== 0)
    return { text: "only root can make namespaces: run this as root", isForGood: false };
  const env = environment();
  const absent = programs.filter((name) => spawnSync("which", [name], { env }).status !== 0);
  if (absent.length > 0) {
    const packages = "apt-get install -y --no-install-recommends nginx openssl iproute2";
    return { text: `${absent.join(", ")} not found: ${packages}`, isForGood: false };
  }
  const [program = "", ...options] = unshare;
  const { status, stderr } = spawnSync(program, [...options, "true"], { env });
  if (status === 0) return undefined;
  return { text: `this machine makes no namespaces: ${String(stderr).trim()}`, isForGood: true };
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
}

/** Dies with this process, and all that is inside with it. */
const unshare = "setpriv --pdeathsig KILL unshare --mount --net --pid --mount-proc --kill-child".split(" ");

const setUp = `
ip link set lo up
mount --bind "$0/hosts" /etc/hosts
mount --bind "$0/resolv.conf" /etc/resolv.conf
exec "$@"
`;

async function runInside(testFile: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "flightline-cluster-"));
  try {
    mkdirSync(join(folder, "etc"));
    writeFileSync(join(folder, "hosts"), "127.0.0.1 localhost\n");
    writeFileSync(join(folder, "resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    const start = ["sh", "-e", "-c", setUp, folder, process.execPath, ...process.execArgv, testFile];
    const [program = "", ...options] = unshare;
    const child = spawn(program, [...options, ...start], {
      env: { ...environment(), [mark]: folder },
      stdio: ["pipe", "inherit", "inherit"],
    });
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? 1));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
