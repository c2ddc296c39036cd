/** Changes of a running task's list of destinations, under the rules of its start. Pure. */
import { DriverError } from "../../base/errors.ts";
import {
  type EgressOptions,
  egressProblem,
  formatEgress,
  maxEgressEntries,
  maxEgressNames,
  namesIn,
  parseEgress,
} from "./egress.ts";
import { checkWithinClient } from "./options.ts";

/** What is asked for. The list is replaced first, then entries are added, then removed. */
export interface EgressEdit {
  /** Undefined keeps the list. */
  readonly set: readonly string[] | undefined;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface EditedEgress {
  /** The whole list after the change. */
  readonly allowed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/**
 * A list after a change. What the change adds must be within the client's list, as at a start. An entry that the task
 * has already may stay even if the client's list has become shorter: otherwise nobody could make its list shorter.
 * @throws DriverError `CONFIG_INVALID`
 */
export function editedEgress(
  present: readonly string[],
  { set, add, remove }: EgressEdit,
  client: EgressOptions,
): EditedEgress {
  for (const text of [...(set ?? []), ...add, ...remove]) {
    const problem = egressProblem(text);
    if (problem !== undefined)
      throw invalid(`The change has an entry that is none: ${problem.message}`, problem.hint);
  }
  const wanted = byMeaning([...(set ?? present), ...add]);
  for (const text of remove) {
    if (wanted.delete(meaningOf(text))) continue;
    const has = wanted.size === 0 ? "only loopback" : [...wanted.values()].join(", ");
    throw invalid(
      `The task's egress has no entry ${text}: it has ${has}`,
      "Remove an entry as it stands in the list",
    );
  }
  const before = byMeaning(present);
  const added = [...wanted].flatMap(([meaning, text]) => (before.has(meaning) ? [] : [text]));
  const removed = [...before].flatMap(([meaning, text]) => (wanted.has(meaning) ? [] : [text]));
  const allowed = [...wanted].map(([meaning, text]) => before.get(meaning) ?? text);
  checkWithinClient(added, client, "The change adds");
  if (allowed.length > maxEgressEntries)
    throw invalid(`The list would have more than ${maxEgressEntries} entries`, "Name ranges around them");
  if (namesIn(allowed).length > maxEgressNames)
    throw invalid(`The list would have more than ${maxEgressNames} names`, "Use ranges for the others");
  return { allowed, added, removed };
}

/** Entries by what they mean, so that another spelling is the same entry. */
function byMeaning(entries: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const text of entries) if (!found.has(meaningOf(text))) found.set(meaningOf(text), text);
  return found;
}

function meaningOf(text: string): string {
  return formatEgress(parseEgress(text));
}

function invalid(summary: string, hint: string): DriverError {
  return new DriverError("CONFIG_INVALID", summary, { option: "egress", hint });
}
