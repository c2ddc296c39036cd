/** Ctrl-C and other signals: the first stops the tasks, the second kills them. */

export interface Interrupts {
  /** Aborted when the tasks should stop, with the reason. */
  readonly stop: AbortSignal;
  /** Aborted when the tasks should be killed. */
  readonly kill: AbortSignal;
  /** Stops the tasks, as the first signal does. */
  requestStop(reason: string): void;
  /** Restores the signals' default behaviour. */
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

/** Runs `work` once when the signal is aborted; immediately if the signal is already aborted. */
export function whenAborted(signal: AbortSignal, work: () => void): void {
  if (signal.aborted) work();
  else signal.addEventListener("abort", work, { once: true });
}
