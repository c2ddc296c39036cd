/**
 * Counts the sandbox's refusals to a task, and decides when a count is recorded. The number of kinds and
 * the number of records are limited, because a task may cause any number of refusals, of any kind. Pure.
 */
import { consequenceMs, type RefusalBeforeEnd } from "../../history/cause/evidence.ts";
import { type DenialHistory, type Refusal, refusalKey } from "../../machines/events/denied.ts";
import type { EventData } from "../../machines/events.ts";

/** Maximum number of kinds of refusals that are counted separately. All others are counted together. */
const maxKinds = 32;
/**
 * Maximum number of Landlock domains to remember: the task has one, and each command in the task has its own.
 * Beyond this number, the oldest are dropped.
 */
const maxDomains = 64;

/** A refusal, as the kernel reported it. */
export interface CountedDenial extends Omit<Refusal, "firstAt" | "count"> {
  readonly timeMs: number;
  readonly domain: string | null;
}

/** The kind of the last refusal, and its time in milliseconds since the epoch. */
interface LastRefusal {
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

  /** @param known the counts of earlier events */
  constructor({ refusals, others, lost, domains }: DenialHistory) {
    this.#kinds = new Map(refusals.map((each) => [refusalKey(each), each]));
    this.#domains = new Set(domains);
    this.#others = others;
    this.#lost = lost;
    for (const refusal of refusals) this.#setLast({ refusal, at: refusal.firstAt });
  }

  /** Whether there was no refusal of a kind that is counted separately. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /**
   * The last refusal by the kernel's clock, and the time from it to an end; undefined if a failure at that end
   * cannot be its consequence. Of refusals that an earlier plugin counted, only the first of each kind is known.
   * @param endedAt in milliseconds since the epoch
   */
  lastBefore(endedAt: number): RefusalBeforeEnd | undefined {
    if (this.#last === undefined) return undefined;
    const { refusal, at } = this.#last;
    // The clock of the kernel's records is coarser than the driver's.
    const beforeMs = Math.max(0, endedAt - at);
    return beforeMs > consequenceMs ? undefined : { refusal, beforeMs };
  }

  /**
   * @returns whether the count is to be recorded now: at the first refusal of its kind, the tenth, the
   * hundredth and so on
   */
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
    this.#setLast({ refusal: counted, at: timeMs });
    return isRound(counted.count);
  }

  /** Adds refusals that the kernel counted, but whose records were lost. */
  addLost(count: number): void {
    this.#lost += count;
    this.#isChanged = true;
  }

  /** The changes since the last call; undefined if there are none. */
  take(): EventData<"denied"> | undefined {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    const refusals = [...this.#changed].flatMap((key) => this.#kinds.get(key) ?? []);
    this.#changed.clear();
    return { refusals, others: this.#others, lost: this.#lost, domains: [...this.#domains] };
  }

  /** What {@link take} gave could not be recorded: it changes again. */
  giveBack({ refusals }: EventData<"denied">): void {
    this.#isChanged = true;
    for (const refusal of refusals) this.#changed.add(refusalKey(refusal));
  }

  #setLast(refused: LastRefusal): void {
    if (refused.at >= (this.#last?.at ?? 0)) this.#last = refused;
  }

  #remember(domain: string): void {
    this.#domains.add(domain);
    const [oldest = ""] = this.#domains;
    if (this.#domains.size > maxDomains) this.#domains.delete(oldest);
  }
}

/** Whether a count is 1, 10, 100 and so on. */
function isRound(count: number): boolean {
  return 10 ** Math.round(Math.log10(count)) === count;
}
