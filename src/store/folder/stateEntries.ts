/**
 * The files that the driver makes in a state folder. Only these are removed with the histories. Pure.
 *
 * The pattern is an extended regular expression (regex(7)) that JavaScript reads in the same way, because the
 * Debian package's script for a purge uses it with find(1).
 */

/** Name of the file that marks a folder as a state folder. */
export const markName = "state-folder";

/** Ending of a file that its writer has not completed (files.ts). */
const unfinished = "(\\.[0-9]+\\.new)?";

/** Of each entry: its own name, or the end of the paths below it. */
export const stateEntries: readonly string[] = [
  `${markName}${unfinished}`,
  "lock",
  "plugin\\.sock",
  "env-digest\\.key(\\.[0-9]+)?",
  `egress-tried${unfinished}`,
  "events(\\.damaged-[^/]+)?(/(data\\.mdb|lock\\.mdb|checkpoint|usage(/[^/]+)?))?",
  `pins(/[^/]+\\.json${unfinished})?`,
  `archived\\.json${unfinished}`,
  "archive(/([0-9-]+\\.jsonl|\\.[0-9-]+\\.[0-9]+\\.new))?",
  // State folders of local runs are in this folder, each with a mark of its own.
  "local",
  // All that is in the folder of a run belongs to the run.
  "run(/(exec2-init(\\.[0-9]+)?|(rehears(al|ed)|spare-[0-9]+|[^/]*[_~][^/]*)(/.*)?))?",
];

/** Matches the whole path of an entry, relative to the state folder. */
export const stateEntryPattern = `(${stateEntries.join("|")})`;

const whole = new RegExp(`^${stateEntryPattern}$`, "s");

/** @param path relative to the state folder */
export function isStateEntry(path: string): boolean {
  return whole.test(path);
}
