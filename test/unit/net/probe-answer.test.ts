import assert from "node:assert/strict";
import { test } from "node:test";
import { firstWords, httpAnswer, isWhole, question, recognise } from "../../../src/net/probe-answer.ts";

const bytes = (...parts: readonly (number | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from([part]))));

test("a protocol is known by its first bytes", () => {
  const rows: readonly (readonly [Buffer, string])[] = [
    [bytes("HTTP/1.1 400 Bad Request\r\n"), "http1"],
    [bytes(0x15, 3, 3, 0, 2, 2, 70), "tls"],
    [bytes(0x16, 3, 3, 0, 80, 2, 0), "tls"],
    [bytes(0x20, 2, 0, 0), "mqtt"],
    [bytes(0x20, 2, 0, 5), "mqtt"],
    [bytes(0x20, 3, 0, 0x84, 0), "mqtt"],
    [bytes(0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3), "http2"],
    [bytes(0, 0, 8, 7, 0, 0, 0, 0, 0), "http2"],
    [bytes("SSH-2.0-OpenSSH_9.2\r\n"), "other"],
    [bytes("220 mail ESMTP"), "other"],
    [bytes(0, 0, 18, 1, 0, 0, 0, 0, 1), "other"],
    [bytes("  text"), "other"],
  ];
  for (const [first, protocol] of rows) {
    assert.equal(recognise(first), protocol, first.toString("latin1"));
    assert.equal(recognise(first.subarray(0, 3)), undefined);
  }
});

test("an answer is whole when more bytes could not tell more", () => {
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\r\n";
  assert.ok(!isWhole(bytes("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")));
  assert.ok(isWhole(bytes("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")));
  assert.ok(!isWhole(bytes(head, "<html><head><title>Rou")));
  assert.ok(isWhole(bytes(head, "<html><head><title>Router</title>")));
  assert.ok(!isWhole(bytes(0, 0, 18, 4)));
  assert.ok(isWhole(bytes(0x20, 2, 0, 0)));
});

test("of an HTTP answer, what names the server is kept, on one line and not at any length", () => {
  const page = [
    "HTTP/1.1 302 Found\r\nSERVER:  nginx\u001b[31m/1.2 ",
    "Date: Sun, 01 Mar 2020 12:00:00 GMT",
    `Location: http://portal.example/${"x".repeat(1000)}`,
    "",
    "<!DOCTYPE html><title>\nLog\n in</title>",
  ].join("\r\n");
  const answer = httpAnswer(Buffer.from(page), 5);
  assert.equal(answer?.status, 302);
  assert.equal(answer.server, "nginx [31m/1.2");
  assert.equal(answer.title, "Log in");
  assert.ok(answer.isHtml);
  assert.equal(answer.location?.length, 200);
  assert.deepEqual(answer.clock, { theirMs: Date.UTC(2020, 2, 1, 12), oursMs: 5 });
  const plain = httpAnswer(Buffer.from("HTTP/1.0 200 OK\r\ndate: soon\r\n\r\nOK"), 5);
  assert.equal(plain?.clock, undefined);
  assert.ok(!plain?.isHtml);
  assert.equal(httpAnswer(Buffer.from("HTTP/1.1 abc\r\n\r\n"), 5), undefined);
  assert.equal(httpAnswer(Buffer.from("HTTP/1.1 200 OK\r\n"), 5), undefined);
});

test("what is not known is quoted where it is text", () => {
  assert.equal(firstWords(bytes("SSH-2.0-OpenSSH_9.2\r\nmore")), "SSH-2.0-OpenSSH_9.2");
  assert.equal(firstWords(bytes(1, 2, 3, "text")), undefined);
});

test("any bytes at all are read without an error", () => {
  let state = 1;
  for (let turn = 0; turn < 5000; turn += 1) {
    state = (state * 48_271) % 2_147_483_647;
    const start = ["HTTP/1.1 200 \r\n\r\n", "\u0016\u0003", " ", "\u0000\u0000", ""][turn % 5] ?? "";
    const noise = Buffer.from(
      Array.from({ length: state % 24 }, (_, index) => (state >> (index % 24)) & 255),
    );
    const all = Buffer.concat([Buffer.from(start), noise]);
    const heard = recognise(all);
    assert.equal(heard === undefined, all.length < 4);
    assert.equal(typeof isWhole(all), "boolean");
    assert.ok((firstWords(all) ?? "").length <= 80);
    httpAnswer(all, 0);
  }
});

test("what is asked is small, and of the protocol that it asks for", () => {
  assert.match(
    question("http1", "host:1").toString(),
    /^GET \/health HTTP\/1\.1\r\nHost: host:1\r\n[^]*\r\n\r\n$/,
  );
  assert.equal(question("http2", "host:1").length, 33);
  const packet = question("mqtt", "host:1");
  assert.equal(packet[1], packet.length - 2);
});
