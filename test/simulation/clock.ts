/** The globals of time, for the history that runs. */
import type { Life, Scheduler, Step } from "./scheduler.ts";
import { simulated } from "./simulated.ts";

/** Nanoseconds of CLOCK_MONOTONIC at a time of the history, in milliseconds. */
export function monotonic(now: number): bigint {
  return BigInt(Math.round((now - 1_700_000_000_000) * 1_000)) * 1_000n;
}

class Timer {
  readonly step: () => Step | undefined;
  constructor(step: () => Step | undefined) {
    this.step = step;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
}

/**
 * Replaces timers and clocks by those of the scheduler, and this process's pid by that of the simulated one.
 * @returns a function that puts the real ones back
 */
export function installClock(scheduler: Scheduler, pid: () => number): () => void {
  const real = {
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    setImmediate,
    clearImmediate,
    dateNow: Date.now,
    performanceNow: performance.now,
    hrtime: process.hrtime.bigint,
  };
  const clear = (timer: unknown) => {
    const step = timer instanceof Timer ? timer.step() : undefined;
    if (step !== undefined) step.over = true;
  };
  const after = (run: (...given: unknown[]) => void, ms = 0, ...given: unknown[]) => {
    const delay = Math.max(1, Math.floor(ms));
    const step = scheduler.in(delay, scheduler.life, `timer of ${ms} ms`, () => run(...given));
    return new Timer(() => step);
  };
  const immediate = (run: (...given: unknown[]) => void, ...given: unknown[]) => {
    const step = scheduler.soon(scheduler.life, "immediate", () => run(...given));
    return new Timer(() => step);
  };
  const every = (run: (...given: unknown[]) => void, ms = 0, ...given: unknown[]) => {
    const { life } = scheduler;
    let step: Step;
    const repeat = () => {
      step = scheduler.in(Math.max(1, ms), life, `interval of ${ms} ms`, () => {
        repeat();
        run(...given);
      });
    };
    repeat();
    return new Timer(() => step);
  };
  Object.assign(globalThis, {
    setTimeout: after,
    clearTimeout: clear,
    setInterval: every,
    clearInterval: clear,
    setImmediate: immediate,
    clearImmediate: clear,
  });
  Date.now = () => Math.floor(scheduler.now);
  performance.now = () => scheduler.now - 1_700_000_000_000;
  process.hrtime.bigint = () => monotonic(scheduler.now);
  const realPid = process.pid;
  Object.defineProperty(process, "pid", { get: pid, configurable: true });

  simulated.functions.set("timers/promises#setTimeout", ((ms: number, value: unknown, options = {}) =>
    delayed(scheduler, scheduler.life, ms, value, options)) as never);
  simulated.functions.set(
    "timers/promises#setImmediate",
    ((value: unknown) =>
      new Promise((resolve) => {
        scheduler.soon(scheduler.life, "next turn", () => resolve(value));
      })) as never,
  );
  return () => {
    const { dateNow, performanceNow, hrtime, ...timers } = real;
    Object.assign(globalThis, timers);
    Date.now = dateNow;
    performance.now = performanceNow;
    process.hrtime.bigint = hrtime;
    Object.defineProperty(process, "pid", { value: realPid, configurable: true });
  };
}

function delayed(
  scheduler: Scheduler,
  life: Life,
  ms: number,
  value: unknown,
  { signal }: { readonly signal?: AbortSignal },
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const aborted = () => Object.assign(new Error("aborted"), { name: "AbortError", code: "ABORT_ERR" });
    if (signal?.aborted) return reject(aborted());
    const step = scheduler.in(Math.max(1, ms), life, `delay of ${ms} ms`, () => resolve(value));
    signal?.addEventListener("abort", () => {
      step.over = true;
      reject(aborted());
    });
  });
}
