/** What a task's options permit, whether its observed runs used it, and what it was denied: rows of a table. Pure. */
import type { CandidateFindings, TaskPolicy } from "../../history/policy/policy.ts";
import { describeRefusal } from "../../machines/events/denied.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { countOf, formatCount, formatTimes } from "../../units/counts.ts";
import { formatDay } from "../../units/times.ts";
import { visible } from "../../units/visible.ts";

export interface Permission {
  /** Name of the option; empty for what was denied. */
  readonly option: string;
  /** The option's entry, or the denied access. */
  readonly what: string;
  readonly use: "used" | "unused" | "denied";
  /** Such as `never used in 412 runs`. */
  readonly text: string;
}

export interface PermissionsView {
  /** Number of runs that were observed. */
  readonly runs: number;
  /** Denied ones first, then unused ones. */
  readonly permissions: readonly Permission[];
  /** Why runs may have used more, as sentences without full stops. */
  readonly gaps: readonly string[];
  /** What the plugin's candidate would have refused, as a sentence without full stop; null if it said nothing. */
  readonly candidate: string | null;
}

/**
 * @param policy from the observed runs of the task; undefined if there are none
 * @param unread number of observed runs that were left out, because there are too many
 */
export function permissionsView(
  policy: TaskPolicy | undefined,
  { denials }: Pick<TaskContext, "denials">,
  unread: number,
): PermissionsView {
  const { runs = 0, entries = [], gaps = [], candidate = null } = policy ?? {};
  const denied = denials.refusals.map((each): Permission => {
    const text = `denied ${formatTimes(each.count)} in this run`;
    return { option: "", what: visible(describeRefusal({ ...each, count: 1 })), use: "denied", text };
  });
  const given = entries.map(({ option, entry, runs: count, lastAt, smallest }): Permission => {
    const place = { option, what: visible(entry) };
    if (lastAt === null) return { ...place, use: "unused", text: `never used in ${countOf(runs, "run")}` };
    const less = smallest === null || smallest === entry ? "" : `; ${visible(smallest)} is enough`;
    const text = `used in ${formatCount(count)} of ${countOf(runs, "run")}, last on ${formatDay(lastAt)}${less}`;
    return { ...place, use: "used", text };
  });
  const isUnused = ({ use }: Permission) => use === "unused";
  return {
    runs,
    permissions: [...denied, ...given.filter(isUnused), ...given.filter((each) => !isUnused(each))],
    gaps: [
      ...gaps.map(({ why, runs: count }) => `Of ${countOf(count, "run")}, not all is known: ${visible(why)}`),
      ...(unread === 0 ? [] : [`${countOf(unread, "earlier run")} that were observed are left out`]),
    ],
    candidate: candidate && candidateText(candidate),
  };
}

/** Without the paths that the runs used. */
function candidateText({ file, refused, others, unclear }: CandidateFindings): string {
  const things = refused.length + others;
  const found = things === 0 ? "nothing that is known" : `${countOf(things, "thing")} that runs used`;
  const rest = unclear.length === 0 ? "" : `, and may refuse more (${countOf(unclear.length, "reason")})`;
  return `The candidate ${visible(file)} would have refused ${found}${rest}: policy names it`;
}
