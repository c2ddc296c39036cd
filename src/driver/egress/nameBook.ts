/**
 * The addresses of names, which are looked up again while tasks use them. Each name has one timer, however many
 * tasks use it.
 */
import { messageOf } from "../../base/errors.ts";
import type { NameAnswer } from "../../effects/egress/resolveName.ts";

/** Bounds of the time until a name is looked up again, in milliseconds. */
const minTtlMs = 10_000;
const maxTtlMs = 300_000;

/** The time until a failed look-up is tried again: doubles from the first to the last. */
const firstRetryMs = 5_000;
const maxRetryMs = 60_000;

/** Looks a name up. Rejects with the reason in words. */
export type LookUp = (name: string, servers: readonly string[]) => Promise<NameAnswer>;

/** A name that a task uses. Disposing of it stops the look-ups, if no other task uses the name. */
export interface WatchedName extends Disposable {
  readonly name: string;
  /** Whether the name was resolved since somebody watches it. */
  readonly isResolved: boolean;
  /** The addresses of the last answer, sorted. */
  readonly latest: readonly string[];
  /**
   * The addresses of the last two answers, sorted: a program may still use an address that it got just before
   * the last answer.
   */
  readonly addresses: readonly string[];
  /** Why the last look-up failed, or how many addresses of it are not used; null if all is well. */
  readonly problem: string | null;
  /** Resolves after the first look-up, whether it failed or not. */
  readonly tried: Promise<void>;
}

export class NameBook {
  readonly #lookUp: LookUp;
  readonly #names = new Map<string, KnownName>();

  constructor(lookUp: LookUp) {
    this.#lookUp = lookUp;
  }

  /**
   * @param servers addresses of name servers; none for the host's
   * @param onChange called when the addresses or the problem have changed
   */
  watch(name: string, servers: readonly string[], onChange: () => void): WatchedName {
    const key = JSON.stringify([name, servers]);
    const known = this.#names.get(key) ?? new KnownName(name, () => this.#lookUp(name, servers));
    this.#names.set(key, known);
    known.watchers.add(onChange);
    return {
      name,
      get isResolved() {
        return known.isResolved;
      },
      get latest() {
        return known.latest;
      },
      get addresses() {
        return known.addresses;
      },
      get problem() {
        return known.problem;
      },
      tried: known.tried,
      [Symbol.dispose]: () => {
        known.watchers.delete(onChange);
        if (known.watchers.size > 0) return;
        known.end();
        if (this.#names.get(key) === known) this.#names.delete(key);
      },
    };
  }

  /** Number of names that are looked up. */
  get size(): number {
    return this.#names.size;
  }
}

class KnownName {
  readonly watchers = new Set<() => void>();
  readonly tried: Promise<void>;
  readonly name: string;
  isResolved = false;
  latest: readonly string[] = [];
  addresses: readonly string[] = [];
  problem: string | null = null;
  readonly #lookUp: () => Promise<NameAnswer>;
  #retryMs = firstRetryMs;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(name: string, lookUp: () => Promise<NameAnswer>) {
    this.name = name;
    this.#lookUp = lookUp;
    this.tried = this.#try();
  }

  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /** Never rejects. */
  async #try(): Promise<void> {
    const before = JSON.stringify([this.addresses, this.problem]);
    const again = await this.#lookUp().then(
      (answer) => this.#take(answer),
      (thrown: unknown) => this.#fail(messageOf(thrown)),
    );
    if (this.#isOver) return;
    this.#timer = setTimeout(() => void this.#try(), again).unref();
    if (JSON.stringify([this.addresses, this.problem]) === before) return;
    for (const watcher of this.watchers) watcher();
  }

  /** @returns the time until the next look-up, in milliseconds */
  #take({ addresses, unused, ttlMs }: NameAnswer): number {
    const latest = sorted(addresses);
    this.addresses = sorted([...this.latest, ...latest]);
    this.latest = latest;
    this.isResolved = true;
    this.problem = unused === 0 ? null : `${unused} more of its addresses are not used`;
    this.#retryMs = firstRetryMs;
    return Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs);
  }

  /** The last addresses stay: most failures are the name server's. */
  #fail(problem: string): number {
    this.problem = problem;
    const again = this.#retryMs;
    this.#retryMs = Math.min(again * 2, maxRetryMs);
    return again;
  }
}

function sorted(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses)].toSorted();
}
