/**
 * The list of parts of a message that did not fit and were left out, as JSON paths with the schema's
 * names (`rxInfo[0].rssi`), so that the rest of the message can be kept and the loss be counted.
 */

/** Paths through names that the sender chose (payload keys, device tags): their number has no bound of its own. */
const maxNamedPaths = 64;

export class DroppedParts {
  readonly #paths: string[] = [];
  readonly #lostFields = new Map<object, Set<string>>();
  #named = 0;

  /** A part with a place in the schema: at most a few thousand exist in one message. */
  add(path: string): void {
    this.#paths.push(path);
  }

  /** A field of `message`: its default value means "unknown", not zero. */
  addField(message: object, localName: string, path: string): void {
    this.#paths.push(path);
    const lost = this.#lostFields.get(message);
    if (lost === undefined) this.#lostFields.set(message, new Set([localName]));
    else lost.add(localName);
  }

  /** A part below `root` whose name the sender chose; from the 65th on one `<root>…` stands for the rest. */
  addNamed(root: string, path: () => string): void {
    this.#named += 1;
    if (this.#named <= maxNamedPaths) this.#paths.push(path());
    else if (this.#named === maxNamedPaths + 1) this.#paths.push(`${root}…`);
  }

  /** Whether this field of this message had a value that did not fit. */
  hasField(message: object, localName: string): boolean {
    return this.#lostFields.size > 0 && this.#lostFields.get(message)?.has(localName) === true;
  }

  /** The value of this field of this message; `undefined` where it had one that did not fit. */
  kept<Message extends object, Name extends keyof Message & string>(
    message: Message,
    localName: Name,
  ): Message[Name] | undefined {
    return this.hasField(message, localName) ? undefined : message[localName];
  }

  paths(): readonly string[] {
    return this.#paths;
  }
}
