/**
 * The time and the order of everything in a simulated history. Nothing happens by itself: each callback of the
 * driver, each step of a process and each message is a step, and the seed decides which of the ready steps is
 * next. Time passes only between steps.
 */
import type { Random } from "../crash/random.ts";
import { memory } from "./memory.ts";

/** What a step belongs to: a plugin process, an agent process, or the kernel. Its steps end with it. */
export class Life {
  readonly name: string;
  dead = false;
  /** Immediates run in the order in which they were set. */
  readonly immediates: Step[] = [];
  /** Whether its steps are never later than {@link maxLateMs}. */
  readonly isPrompt: boolean;

  constructor(name: string, isPrompt = false) {
    this.name = name;
    this.isPrompt = isPrompt;
  }
}

export interface Step {
  readonly life: Life;
  readonly what: string;
  readonly run: () => void;
  /** Milliseconds. */
  readonly at: number;
  over: boolean;
}

/** Milliseconds. The driver waits for five until a process that has exited has left its cgroup. */
const maxLateMs = 2;

/** Time at which each history begins, in milliseconds since the epoch. */
export const beginning = 1_800_000_000_000;

const { setImmediate: realImmediate, setTimeout: realTimeout } = globalThis;
void realTimeout;

export class Scheduler {
  readonly random: Random;
  readonly kernel = new Life("kernel");
  /** The life whose step runs now. */
  life: Life = this.kernel;
  /** Milliseconds since the epoch. */
  now = beginning;
  steps = 0;
  /** The steps so far, newest last. */
  readonly trace: string[] = [];
  /** Called with what a step throws. */
  onThrow: (thrown: unknown) => void = () => undefined;
  #waiting: Step[] = [];
  #lives: Life[] = [this.kernel];

  constructor(random: Random) {
    this.random = random;
  }

  newLife(name: string, isPrompt = false): Life {
    const life = new Life(name, isPrompt);
    this.#lives.push(life);
    return life;
  }

  note(text: string): void {
    this.trace.push(`${((this.now - beginning) / 1000).toFixed(6)} ${text}`);
  }

  /** Schedules a step of a life. @param ms its delay; the seed adds a little */
  in(ms: number, life: Life, what: string, run: () => void): Step {
    const step = { life, what, run, at: this.now + ms, over: false };
    this.#waiting.push(step);
    return step;
  }

  /** Schedules a step as soon as the life's earlier immediates have run. */
  soon(life: Life, what: string, run: () => void): Step {
    const step = { life, what, run, at: this.now, over: false };
    life.immediates.push(step);
    return step;
  }

  /** A delay that is mostly short, and sometimes long enough for others to do a lot. */
  latency(): number {
    const { random } = this;
    if (random.chance(4)) return random.below(3_000);
    return random.chance(15) ? random.below(40) : random.below(100) / 100;
  }

  /** A delay that is always short. */
  shortly(): number {
    return this.random.below(200) / 100;
  }

  /**
   * Runs steps until the condition holds, or nothing is left to do, or the time is over.
   * @returns whether the condition holds
   */
  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const end = this.now + withinMs;
    while (!condition()) {
      const step = this.#next(end);
      if (step === undefined) return condition();
      this.steps += 1;
      this.life = step.life;
      memory.enter(step.life);
      this.trace.push(`${((this.now - beginning) / 1000).toFixed(6)} · ${step.life.name}: ${step.what}`);
      try {
        step.run();
      } catch (thrown) {
        this.onThrow(thrown);
      }
      // Runs all continuations of the step, so that the next step begins from a settled state.
      await new Promise<void>((resolve) => void realImmediate(resolve));
    }
    return true;
  }

  /** What the kernel does by itself is never much too late, however much happens. */
  #mostUrgent(ready: readonly Step[]): readonly Step[] {
    const late = ready.filter(({ life, at }) => life.isPrompt && at < this.now - maxLateMs);
    return late.length > 0 ? late : ready;
  }

  #next(end: number): Step | undefined {
    this.#waiting = this.#waiting.filter(({ life, over }) => !life.dead && !over);
    this.#lives = this.#lives.filter(({ dead }) => !dead);
    const immediates = this.#lives.flatMap((life) => {
      while (life.immediates[0]?.over) life.immediates.shift();
      return life.immediates[0] ?? [];
    });
    let ready: Step[] = [...immediates, ...this.#waiting.filter(({ at }) => at <= this.now)];
    if (ready.length === 0) {
      const next = Math.min(...this.#waiting.map(({ at }) => at));
      if (next > end) return undefined;
      this.now = next;
      ready = this.#waiting.filter(({ at }) => at <= this.now);
    } else this.now += this.random.below(200) / 1000;
    const step = this.random.pick(this.#mostUrgent(ready));
    step.over = true;
    return step;
  }
}
