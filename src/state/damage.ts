import type Database from "better-sqlite3";
import { isCorruption, markDamaged } from "../sqlite/damage.ts";
import { damagedFault } from "./faults.ts";

/**
 * Damage that shows while state.db is in use, in whatever statement, a COMMIT and a checkpoint among them: the file is
 * marked, so that the next start moves it aside and begins anew, and what was asked throws `state_damaged`. The mark
 * also ends a daemon whose part that met the damage would only be started again (`app/watch-files.ts`).
 *
 * While the file is being opened nothing is marked: whoever opens it sees SQLite's own error, and moves it at once.
 */
export class DamageWatch {
  readonly #file: string;
  #isArmed = false;

  /** Of all statements, transactions and pragmas that are made from now on. */
  constructor(database: Database.Database) {
    this.#file = database.name;
    const prepare = database.prepare.bind(database);
    database.prepare = ((source: string) => this.#watched(prepare(source))) as typeof database.prepare;
    const pragma = database.pragma.bind(database);
    database.pragma = (source, options) => this.#guarded(() => pragma(source, options));
    const transaction = database.transaction.bind(database);
    // Its BEGIN, COMMIT and ROLLBACK go past `prepare`.
    database.transaction = (body) =>
      new Proxy(transaction(body), {
        apply: (execute, self, values) => this.#guarded((): unknown => Reflect.apply(execute, self, values)),
      });
  }

  /** The file is open. */
  arm(): void {
    this.#isArmed = true;
  }

  #watched(statement: Database.Statement): Database.Statement {
    const run = statement.run.bind(statement);
    const get = statement.get.bind(statement);
    const all = statement.all.bind(statement);
    const iterate = statement.iterate.bind(statement);
    return Object.assign(statement, {
      run: (...values: unknown[]) => this.#guarded(() => run(...values)),
      get: (...values: unknown[]) => this.#guarded(() => get(...values)),
      all: (...values: unknown[]) => this.#guarded(() => all(...values)),
      iterate: (...values: unknown[]) => this.#iterated(iterate(...values)),
    });
  }

  #guarded<T>(execute: () => T): T {
    try {
      return execute();
    } catch (error) {
      throw this.#judged(error);
    }
  }

  *#iterated(rows: Iterable<unknown>): Generator {
    try {
      yield* rows;
    } catch (error) {
      throw this.#judged(error);
    }
  }

  #judged(error: unknown): unknown {
    if (!this.#isArmed || !isCorruption(error)) return error;
    markDamaged(this.#file, "is damaged");
    return damagedFault(this.#file, error);
  }
}
