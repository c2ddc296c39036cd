/** Computes a check's state from its results. Pure. */
import type { Check } from "../jobspec/job.ts";

export interface CheckResult {
  readonly status: "passing" | "warning" | "critical";
  /** The reason for a failure, such as `HTTP 503` or `connection refused`; empty for a success. */
  readonly detail: string;
}

export interface CheckState {
  /** Undefined until there have been enough successes or failures in a row. */
  readonly shown: CheckResult["status"] | undefined;
  /** Successes in a row up to now. */
  readonly passed: number;
  /** Failures in a row up to now. */
  readonly failed: number;
  /** Failures in a row since the last restart, without those in the grace period. */
  readonly towardsRestart: number;
}

export const newCheck: CheckState = { shown: undefined, passed: 0, failed: 0, towardsRestart: 0 };

export interface CheckStep {
  readonly state: CheckState;
  /** Whether the shown status has changed. */
  readonly changed: boolean;
  readonly restarts: boolean;
}

/** @param age milliseconds since the start of the check's task */
export function nextCheckState(
  { shown, passed, failed, towardsRestart }: CheckState,
  { status }: CheckResult,
  { successBeforePassing, failuresBeforeCritical, restart }: Check,
  age: number,
): CheckStep {
  const failing = status === "critical";
  const inRow = { passed: failing ? 0 : passed + 1, failed: failing ? failed + 1 : 0 };
  const isEnough = failing ? inRow.failed >= failuresBeforeCritical : inRow.passed >= successBeforePassing;
  const now = isEnough ? status : shown;
  const inGrace = restart !== undefined && age < restart.graceMs;
  const towards = failing && !inGrace ? towardsRestart + 1 : 0;
  const restarts = restart !== undefined && towards >= restart.limit;
  return {
    state: { shown: now, ...inRow, towardsRestart: restarts ? 0 : towards },
    changed: now !== shown,
    restarts,
  };
}
