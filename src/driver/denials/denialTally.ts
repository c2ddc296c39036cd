/**
 * Counts what the sandbox refuses to a task, and decides when a count is recorded: a task may cause as many
 * refusals as it likes, of as many kinds. Pure.
 */
import { isProbe } from "../../denial.ts";
import { type DenialHistory, type Refusal, refusalKey } from "../../machines/events/denied.ts";
import type { EventData } from "../../machines/events.ts";

/** Kinds of refusals that are told apart; all others are counted together. */
const maxKinds = 32;
/** A task has a domain, and each command in it: only the newest are remembered. */
const maxDomains = 64;

/** A refusal, as the kernel tells it. */
export interface CountedDenial extends Omit<Refusal, "firstAt" | "count"> {
  readonly timeMs: number;
  readonly domain: string | null;
}

/** A kind that was refused last, and when, in milliseconds since the epoch. */
export interface LastRefusal {
  readonly refusal: Refusal;
  readonly at: number;
}

export class DenialTally {
  readonly #kinds: Map<string, Refusal>;
  readonly #changed = new Set<string>();
  readonly #domains: Set<string>;
  #others: number;
  #lost: number;
  #isChanged = false;
  #last: LastRefusal | undefined;

  /** @param known what earlier events say */
  constructor({ refusals, others, lost, domains }: DenialHistory) {
    this.#kinds = new Map(refusals.map((each) => [refusalKey(each), each]));
    this.#domains = new Set(domains);
    this.#others = others;
    this.#lost = lost;
  }

  /**
   * The refusal that came last, by the kernel's clock, of what programs need; undefined if none came since this was
   * made.
   */
  get last(): LastRefusal | undefined {
    return this.#last;
  }

  /** @returns whether it is to be recorded now: the first of its kind, the tenth, the hundredth and so on */
  add({ timeMs, domain, ...denial }: CountedDenial): boolean {
    this.#isChanged = true;
    if (domain !== null) this.#remember(domain);
    const before = { ...denial, blockers: [...denial.blockers], firstAt: timeMs, count: 0 };
    const key = refusalKey(before);
    const known = this.#kinds.get(key);
    if (known === undefined && this.#kinds.size >= maxKinds) return isRound(++this.#others);
    const refusal = known ?? before;
    const counted = { ...refusal, count: refusal.count + 1 };
    this.#kinds.set(key, counted);
    this.#changed.add(key);
    if (!isProbe(refusal) && timeMs >= (this.#last?.at ?? 0)) this.#last = { refusal: counted, at: timeMs };
    return isRound(counted.count);
  }

  /** The kernel counted more than there were records of. */
  addLost(count: number): void {
    this.#lost += count;
    this.#isChanged = true;
  }

  /** What has changed since the last call; undefined if nothing has. */
  take(): EventData<"denied"> | undefined {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    const refusals = [...this.#changed].flatMap((key) => this.#kinds.get(key) ?? []);
    this.#changed.clear();
    return { refusals, others: this.#others, lost: this.#lost, domains: [...this.#domains] };
  }

  #remember(domain: string): void {
    this.#domains.add(domain);
    const [oldest = ""] = this.#domains;
    if (this.#domains.size > maxDomains) this.#domains.delete(oldest);
  }
}

/** 1, 10, 100 and so on. */
function isRound(count: number): boolean {
  return 10 ** Math.round(Math.log10(count)) === count;
}
