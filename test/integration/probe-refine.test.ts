/** A fault that says too little, before and after a probe. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Fault } from "../../src/lib/fault.ts";
import { diagnose } from "../../src/net/diagnose.ts";
import { refine, type RefineTarget } from "../../src/net/probe-refine.ts";
import { Refiner, isAmbiguous } from "../../src/net/refiner.ts";
import { ProbeStage } from "../support/probe-stage.ts";
import { freePort, waitFor } from "../support/wait.ts";

const never = new AbortController().signal;

function flightAt(port: number): RefineTarget {
  return {
    url: `http://127.0.0.1:${port}`,
    target: "flight",
    tls: { verify: true },
    speaks: "grpc",
    timeoutMs: 900,
  };
}

function closed(target: RefineTarget): Fault {
  return diagnose(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }), target);
}

test("the cause that a probe finds stands in front of the fault that asked for it", async (t) => {
  const target = flightAt(await new ProbeStage(t).http());
  const first = closed(target);
  const refined = await refine(first, target, never);
  assert.equal(refined.code, "http1_only");
  assert.equal(refined.layer, "config");
  assert.equal(refined.disposition, "retry");
  assert.equal(refined.cause, first);
});

test("where nothing is wrong, or nothing else, the fault stays as it is", async (t) => {
  const healthy = flightAt(await new ProbeStage(t).h2c());
  const first = closed(healthy);
  assert.equal(await refine(first, healthy, never), first);
  const gone = flightAt(await freePort());
  const refused = diagnose(Object.assign(new Error("connect"), { code: "ECONNREFUSED" }), gone);
  assert.equal(await refine(refused, gone, never), refused);
});

test("an aborted probe changes nothing", async (t) => {
  const target = flightAt(await new ProbeStage(t).http());
  const first = closed(target);
  assert.equal(await refine(first, target, AbortSignal.abort()), first);
});

test("only faults with several possible causes ask for a probe", () => {
  const fault = (code: string): Fault =>
    new Fault({ code, layer: "flight", disposition: "retry", message: "x" });
  for (const code of ["connection_closed", "connection_failed", "tls_handshake_cut", "connect_timeout"]) {
    assert.ok(isAmbiguous(fault(code)), code);
  }
  for (const code of ["connection_refused", "tls_wrong_name", "write_unauthorized", "name_lookup_failed"]) {
    assert.ok(!isAmbiguous(fault(code)), code);
  }
  assert.ok(isAmbiguous(fault("flight_timeout"), "connecting"));
  assert.ok(!isAmbiguous(fault("flight_timeout"), "streaming"));
  assert.ok(!isAmbiguous(fault("flight_timeout")));
});

test("a peer is probed once in a while, and what was found stands for the same fault until then", async (t) => {
  let requests = 0;
  const port = await new ProbeStage(t).http((_request, response) => {
    requests += 1;
    response.end("OK");
  });
  const target = flightAt(port);
  const refiner = new Refiner(target, 1000);
  const [one, meanwhile] = await Promise.all([
    refiner.refined(closed(target), 0, never),
    refiner.refined(closed(target), 1, never),
  ]);
  assert.deepEqual([one.code, meanwhile.code, requests], ["http1_only", "connection_closed", 1]);
  assert.equal((await refiner.refined(closed(target), 999, never)).code, "http1_only");
  const other = diagnose(Object.assign(new Error("connect"), { code: "ETIMEDOUT" }), target);
  assert.equal(await refiner.refined(other, 999, never), other);
  assert.equal(requests, 1);
  assert.equal((await refiner.refined(closed(target), 1000, never)).code, "http1_only");
  assert.equal(requests, 2);
  const clear = diagnose(Object.assign(new Error("connect"), { code: "ECONNREFUSED" }), target);
  assert.equal(await refiner.refined(clear, 5000, never), clear);
  assert.equal(requests, 2);
});

test("who cannot wait gets what is known, and the finding the next time, until it is old", async (t) => {
  let requests = 0;
  const port = await new ProbeStage(t).http((_request, response) => {
    requests += 1;
    response.end("OK");
  });
  const target = flightAt(port);
  const refiner = new Refiner(target, 1000);
  assert.equal(refiner.soon(closed(target), 0, never).code, "connection_closed");
  await waitFor(() => refiner.soon(closed(target), 1, never).code === "http1_only", { what: "the finding" });
  assert.equal(requests, 1);
  const aborted = AbortSignal.abort();
  assert.equal(refiner.soon(closed(target), 1999, aborted).code, "http1_only");
  assert.equal(refiner.soon(closed(target), 2000, aborted).code, "connection_closed");
  assert.equal(requests, 1);
});

test("what was found for a timeout stands for the next one, which took some milliseconds more or less", async (t) => {
  const target = flightAt(await new ProbeStage(t).http());
  const late = (within: string): Fault =>
    new Fault({ code: "flight_timeout", layer: "flight", disposition: "retry", message: `none ${within}` });
  const refiner = new Refiner(target, 1000);
  assert.equal((await refiner.refined(late("within 0.7 s"), 0, never, "connecting")).code, "http1_only");
  assert.equal(refiner.soon(late("within 0.699 s"), 1, never, "connecting").code, "http1_only");
  assert.equal(refiner.soon(late("within 0.699 s"), 1, never, "answering").code, "flight_timeout");
});

test("what was found for one fault is not said of another, and stands when a probe after it is aborted", async (t) => {
  const target = flightAt(await new ProbeStage(t).http());
  const refiner = new Refiner(target, 1000);
  assert.equal((await refiner.refined(closed(target), 0, never)).code, "http1_only");
  const { layer, disposition, message } = closed(target);
  const late = new Fault({ code: "flight_timeout", layer, disposition, message });
  assert.equal(refiner.soon(late, 1, never, "connecting"), late);
  const cut = closed(target);
  assert.equal(await refiner.refined(cut, 1000, AbortSignal.abort()), cut);
  assert.equal(refiner.soon(closed(target), 1999, never).code, "http1_only");
});

test("a process whose files were replaced under it has its faults as they are", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "flightline-replaced-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  // It imports nothing but the probe, which is not there.
  copyFileSync(new URL("../../src/net/refiner.ts", import.meta.url), join(dir, "refiner.ts"));
  const replaced = (await import(pathToFileURL(join(dir, "refiner.ts")).href)) as {
    readonly Refiner: typeof Refiner;
  };
  const target = flightAt(await freePort());
  const fault = closed(target);
  const refiner = new replaced.Refiner(target, 1000);
  assert.equal(await refiner.refined(fault, 0, never), fault);
  assert.equal(refiner.soon(fault, 1000, never), fault);
});
