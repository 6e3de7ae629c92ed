/** What `check` says of authorities is what a handshake with them says. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { examineTls } from "../../src/net/tls-files.ts";
import { makeCertificates } from "../support/certificates.ts";
import { line, never, noContent, serve, writer } from "../support/influx-http.ts";

const files = makeCertificates();
after(() => files.remove());

test("a ca_file in which check finds an error reaches no server, one in which it finds none reaches its own", async (t) => {
  const issued = await serve(t, noContent, {
    cert: readFileSync(files.serverCert),
    key: readFileSync(files.serverKey),
  });
  const several = join(files.dir, "several.pem");
  writeFileSync(several, readFileSync(files.otherCert, "utf8") + readFileSync(files.ca, "utf8"));
  const rows: readonly (readonly [string, string])[] = [
    [files.ca, "delivered"],
    [several, "delivered"],
    [files.serverCert, "retry"],
    [join(files.dir, "missing.pem"), "retry"],
  ];
  for (const [caFile, kind] of rows) {
    const tls = { verify: true, caFile };
    assert.equal((await writer(t, issued.url, { tls }).write(line, never)).kind, kind, caFile);
    assert.equal(examineTls(tls, Date.now()).length, kind === "delivered" ? 0 : 1, caFile);
  }
});
