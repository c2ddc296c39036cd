/**
 * Decides which commands in a task get events of their own, and counts the others. If every command had
 * events, a script check that runs each second would write 170,000 a day. Pure: the time is a parameter.
 */

import type { CommandEnd } from "../../machines/events/running.ts";
import type { EventData } from "../../machines/events.ts";

/** A command that begins. */
export interface BegunCommand {
  /** Absolute path of its program. */
  readonly command: string;
  readonly user: string;
  readonly terminal: boolean;
}

/** A command that always ends in the same way has events of its own this many times in a row. */
const maxSeparate = 3;

/** A program that was not run for this long counts as new. */
const forgottenMs = 3_600_000;

/** Maximum number of programs to remember. */
const maxPrograms = 32;
/** Maximum number of different ends that one event lists. */
const maxRepetitions = 32;

/**
 * A task chooses its programs and how they end, so it could fill the log with events that always differ. A
 * budget limits the events: this many at once, and one more after each `budgetReturnMs`.
 */
const budgetSize = 32;
const budgetReturnMs = 300_000;

/** How a program ended most recently. */
interface Streak {
  readonly end: CommandEnd;
  /** Number of times in a row that the program has ended in this way. */
  readonly equal: number;
  readonly at: number;
}

type Repetition = EventData<"execsRepeated">["repetitions"][number];

export class CommandTally {
  /** The streaks by program, in the order of their last ends. */
  readonly #streaks = new Map<string, Streak>();
  #repetitions = new Map<string, Repetition>();
  #more = 0;
  #since = Number.POSITIVE_INFINITY;
  #budget = budgetSize;
  #returnedAt = 0;

  /**
   * Whether a command that begins gets events of its own. Otherwise {@link count} counts the command.
   * @param now milliseconds since the epoch, as in all methods
   */
  isSeparate({ command, terminal }: BegunCommand, now: number): boolean {
    if (terminal) return true;
    const streak = this.#streaks.get(command);
    const isRepeated = streak !== undefined && streak.equal >= maxSeparate && now - streak.at < forgottenMs;
    return !isRepeated && this.#spend(now);
  }

  /** To be called when a command with events of its own has ended. */
  ended({ command }: BegunCommand, end: CommandEnd, now: number): void {
    this.#learn(command, end, now);
  }

  /**
   * Counts a command that has no events and has ended.
   * @returns whether to record the counts at once, because this end differs from the program's last one
   */
  count({ command, user }: BegunCommand, end: CommandEnd, begunAt: number, now: number): boolean {
    const { exitCode, signal, reason } = end;
    const key = JSON.stringify([command, user, exitCode, signal, reason]);
    const known = this.#repetitions.get(key);
    if (known === undefined && this.#repetitions.size >= maxRepetitions) this.#more++;
    else
      this.#repetitions.set(key, { command, user, exitCode, signal, reason, count: (known?.count ?? 0) + 1 });
    this.#since = Math.min(this.#since, begunAt);
    return this.#learn(command, end, now) && this.#spend(now);
  }

  /** The counts since the last call; undefined if there are none. */
  take(): EventData<"execsRepeated"> | undefined {
    if (this.#repetitions.size === 0) return undefined;
    // Sorted, so that equal counts make equal events, whichever command was first.
    const repetitions = [...this.#repetitions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
    const taken = { since: this.#since, repetitions, more: this.#more };
    this.#repetitions = new Map();
    this.#more = 0;
    this.#since = Number.POSITIVE_INFINITY;
    return taken;
  }

  /** @returns whether the end differs from the program's last end */
  #learn(command: string, end: CommandEnd, now: number): boolean {
    const before = this.#streaks.get(command);
    const isEqual = before !== undefined && sameEnd(before.end, end) && now - before.at < forgottenMs;
    this.#streaks.delete(command);
    this.#streaks.set(command, { end, equal: isEqual ? before.equal + 1 : 1, at: now });
    const [oldest] = this.#streaks.keys();
    if (this.#streaks.size > maxPrograms && oldest !== undefined) this.#streaks.delete(oldest);
    return !isEqual;
  }

  #spend(now: number): boolean {
    const returned = Math.floor((now - this.#returnedAt) / budgetReturnMs);
    // If the clock was set back, nothing is returned to the budget.
    if (returned > 0) {
      this.#budget = Math.min(budgetSize, this.#budget + returned);
      this.#returnedAt += returned * budgetReturnMs;
    }
    if (this.#budget === 0) return false;
    this.#budget--;
    return true;
  }
}

function sameEnd(a: CommandEnd, b: CommandEnd): boolean {
  return a.exitCode === b.exitCode && a.signal === b.signal && a.reason === b.reason;
}
