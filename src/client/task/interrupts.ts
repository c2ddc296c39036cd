/** Ctrl-C and its like: the first asks the tasks to stop, the second kills them. */

export interface Interrupts {
  /** Aborted when the tasks are to stop; its reason says why. */
  readonly stop: AbortSignal;
  /** Aborted when they are to be killed. */
  readonly kill: AbortSignal;
  /** As a first signal does. */
  requestStop(reason: string): void;
  /** Gives the signals back their usual meaning. */
  release(): void;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export function catchInterrupts(): Interrupts {
  const stop = new AbortController();
  const kill = new AbortController();
  const onSignal = (signal: string) => (stop.signal.aborted ? kill : stop).abort(signal);
  for (const signal of signals) process.on(signal, onSignal);
  return {
    stop: stop.signal,
    kill: kill.signal,
    requestStop: (reason) => stop.abort(reason),
    release: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

/** Runs once when the signal is aborted, at once where it is already. */
export function whenAborted(signal: AbortSignal, work: () => void): void {
  if (signal.aborted) work();
  else signal.addEventListener("abort", work, { once: true });
}
