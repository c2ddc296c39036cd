/** How trials of `why --prove` ended, in words. Pure. */
import { countOf } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";

export type Outcome =
  /** As in a shell, 128 + signal if a signal ended it. */
  | { readonly kind: "exited"; readonly exitCode: number }
  | { readonly kind: "running"; readonly afterMs: number }
  /** The driver did not start it. @see DriverError.code */
  | { readonly kind: "refused"; readonly code: string };

export interface TriedDifference {
  readonly text: string;
  readonly outcome: Outcome;
}

/** Whether a trial did not fail: a program that was to fail by then, and runs, does not. */
export function endsWell(outcome: Outcome): boolean {
  return outcome.kind === "running" || (outcome.kind === "exited" && outcome.exitCode === 0);
}

/** Such as `it exits 0`. */
export function outcomeText(outcome: Outcome): string {
  if (outcome.kind === "exited") return `it exits ${outcome.exitCode}`;
  if (outcome.kind === "running") return `it still runs after ${formatDuration(outcome.afterMs)}`;
  return `it does not start (${outcome.code})`;
}

export const proofCodes = { helps: 0, none: 1, passes: 2 } as const;

/** What the trials have shown, as a sentence without its full stop, and the verb's exit code. */
export function verdictOn(tried: readonly TriedDifference[]): {
  readonly text: string;
  readonly code: number;
} {
  const good = tried.filter(({ outcome }) => endsWell(outcome));
  if (good.length > 0) {
    const texts = good.map(({ text, outcome }) => `with ${text} ${outcomeText(outcome)}`);
    return { text: texts.join("; "), code: proofCodes.helps };
  }
  const what =
    tried.length === 1
      ? "this change does not help"
      : `none of these ${countOf(tried.length, "change")} helps`;
  return { text: what, code: proofCodes.none };
}

/** What a baseline says that does not fail. */
export function passedText(baseline: Outcome): string {
  return `It did not fail this time: without any change ${outcomeText(baseline)}`;
}

/** A note on a baseline that fails in another way than the recorded run; undefined if it fails in the same way. */
export function otherEnd(baseline: Outcome, recorded: Outcome): string | undefined {
  const [now, before] = [outcomeText(baseline), outcomeText(recorded)];
  return now === before ? undefined : `Without any change ${now}; in the recorded run, ${before}`;
}
