/** Messages as a broken or hostile server would send them. */
import { Message } from "apache-arrow";

import type { HeaderLie } from "../faults.ts";
import type { IpcMessage } from "./encoder.ts";

/** More than any message has. */
const beyond = 2 ** 24;

/** The offset of the root table points out of the flatbuffer. */
export function breakRoot(header: Uint8Array): Uint8Array {
  const broken = Uint8Array.from(header);
  new DataView(broken.buffer).setUint32(0, beyond, true);
  return broken;
}

/** The same record batch with one length or offset that its body does not have. */
export function lieAbout(about: HeaderLie, { header, body }: IpcMessage): IpcMessage {
  const message = Message.decode(header);
  if (!message.isRecordBatch()) return { header, body };
  const batch = message.header();
  const buffer = batch.buffers.at(-1);
  const node = batch.nodes.at(0);
  if (about === "buffer_offset" && buffer !== undefined) buffer.offset += beyond;
  if (about === "buffer_length" && buffer !== undefined) buffer.length += beyond;
  if (about === "node_length" && node !== undefined) node.length += beyond;
  const bodyLength = about === "body_length" ? message.bodyLength + beyond : message.bodyLength;
  return { header: Message.encode(Message.from(batch, bodyLength)), body };
}
