/**
 * The sets of rules in a map of entries (egressEntries.ts). Tasks with the same rules share a set. It stays for a
 * while after the last of them, because most tasks have the rules of an earlier one: the next task of a job, or
 * the same task again.
 */
import { randomBytes } from "node:crypto";
import { deleteEntries, EntryWindow, setEntries } from "../bpf/bpf.ts";
import { type EgressRules, type EgressTerms, egressRules } from "./egress.ts";
import { egressKeys, entryLayout, limitFlagsOf } from "./egressEntries.ts";

/** Entries of sets that no task has. */
const maxUnusedEntries = 4_096;

const present = new Uint8Array(entryLayout.valueBytes).fill(1);

/** A set that stays until it is disposed of. */
export interface HeldSet extends Disposable {
  readonly number: bigint;
  /** `limitFlags`. */
  readonly flags: number;
}

interface KnownSet {
  readonly number: bigint;
  readonly flags: number;
  readonly keys: readonly Uint8Array[];
  holders: number;
}

export class RuleSets {
  readonly #entries: number;
  readonly #maxUnused: number;
  readonly #window: EntryWindow;
  /** By their terms' texts. Those that are not held are in the order in which they were given back. */
  readonly #known = new Map<string, KnownSet>();
  #unusedEntries = 0;
  /** Numbers begin anywhere: an earlier process may have made sets in the same map. */
  #last = randomBytes(8).readBigUInt64LE();

  /**
   * @param entries the map's descriptor
   * @param isOwn whether further tasks get the map; nothing is kept for them otherwise
   */
  constructor(entries: number, isOwn: boolean) {
    this.#entries = entries;
    this.#maxUnused = isOwn ? maxUnusedEntries : 0;
    this.#window = new EntryWindow(entries, {
      keyBytes: entryLayout.bytes,
      valueBytes: entryLayout.valueBytes,
    });
  }

  /** Numbers of the sets that are to stay. */
  get numbers(): ReadonlySet<bigint> {
    return new Set([...this.#known.values()].map(({ number }) => number));
  }

  /**
   * Adds a set of rules, unless it is there.
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  hold(terms: EgressTerms): HeldSet {
    const { egress, egressDenied, names } = terms;
    const text = JSON.stringify([egress ?? null, egressDenied, ...names]);
    const set = this.#find(text) ?? this.#add(text, egressRules(terms));
    if (set.holders === 0) this.#unusedEntries -= set.keys.length;
    set.holders += 1;
    let isHeld = true;
    return {
      number: set.number,
      flags: set.flags,
      [Symbol.dispose]: () => {
        if (isHeld) this.#giveBack(text, set);
        isHeld = false;
      },
    };
  }

  /** A set that is in the map. An unused one may have been swept by another process, which removes all of it. */
  #find(text: string): KnownSet | undefined {
    const set = this.#known.get(text);
    const [first] = set?.keys ?? [];
    if (set === undefined || set.holders > 0 || first === undefined) return set;
    this.#window.key.set(first);
    if (this.#window.find()) return set;
    this.#unusedEntries -= set.keys.length;
    this.#known.delete(text);
    return undefined;
  }

  #add(text: string, rules: EgressRules): KnownSet {
    this.#last = BigInt.asUintN(64, this.#last + 1n);
    const keys = egressKeys(rules, this.#last);
    const set: KnownSet = { number: this.#last, flags: limitFlagsOf(rules), keys, holders: 0 };
    try {
      setEntries(this.#entries, keys, present);
    } catch (thrown) {
      deleteEntries(this.#entries, keys);
      throw thrown;
    }
    this.#known.set(text, set);
    this.#unusedEntries += keys.length;
    return set;
  }

  #giveBack(text: string, set: KnownSet): void {
    set.holders -= 1;
    if (set.holders > 0) return;
    this.#known.delete(text);
    this.#known.set(text, set);
    this.#unusedEntries += set.keys.length;
    for (const [other, { holders, keys }] of this.#known) {
      if (this.#unusedEntries <= this.#maxUnused) return;
      if (holders > 0) continue;
      this.#known.delete(other);
      this.#unusedEntries -= keys.length;
      deleteEntries(this.#entries, keys);
    }
  }
}
