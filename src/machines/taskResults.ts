/** The possible results of a task. Pure: the inspector's page loads it, too. */

export const taskResults = [
  /** The task ended by itself, with exit code 0. */
  "completed",
  /** It ended as the agent had requested. */
  "stopped",
  /** It ended with an exit code other than 0. */
  "failed",
  /** A signal that nobody had requested ended it, or it was killed because it did not stop in time. */
  "killed",
  "out of memory",
  "never started",
  /** How it ended is unknown. */
  "lost",
] as const;

export type TaskResult = (typeof taskResults)[number];
