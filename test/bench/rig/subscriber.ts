/** The comparison's process as a benchmark sees it. */
import { join } from "node:path";
import type { Mosquitto } from "../../support/mosquitto.ts";
import type { TemporaryFolder } from "../../support/wait.ts";
import { untilSubscribed } from "./broker.ts";
import { Child } from "./child.ts";
import { diskFolder } from "./folders.ts";

export interface SubscriberSettings {
  readonly name: string;
  readonly url: string;
  readonly mode: "nothing" | "commit";
  /** For the journal. */
  readonly folder: string;
}

interface SubscriberReport {
  readonly taken: number;
}

export class Subscriber {
  readonly #child: Child<object, SubscriberReport>;
  readonly #folder: TemporaryFolder;
  #taken = 0;

  private constructor(child: Child<object, SubscriberReport>, folder: TemporaryFolder) {
    this.#child = child;
    this.#folder = folder;
    child.onReport(({ taken }) => {
      this.#taken = taken;
    });
  }

  static async start(broker: Mosquitto, mode: SubscriberSettings["mode"]): Promise<Subscriber> {
    const folder = await diskFolder(`bench-${mode}`);
    const settings: SubscriberSettings = {
      name: `subscriber-${mode}`,
      url: broker.url,
      mode,
      folder: folder.path,
    };
    const file = new URL("./subscriber-process.ts", import.meta.url);
    const { child } = await Child.start<object, SubscriberReport>(file, settings);
    await untilSubscribed(broker, settings.name);
    return new Subscriber(child, folder);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Mode "commit" only. */
  get journalFile(): string {
    return join(this.#folder.path, "journal.db");
  }

  /** Messages taken, ever; up to 10 ms old. */
  taken(): number {
    return this.#taken;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
    await this.#folder.remove();
  }
}
