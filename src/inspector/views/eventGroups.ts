/** Groups successive steps: a group is a request with its outcome. Pure. */
import { formatCount } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import type { Phrase } from "./phrase.ts";
import type { Steps } from "./stepTable.ts";

/** Steps that belong together. */
export interface StepGroup {
  readonly from: number;
  readonly to: number;
  readonly bad: boolean;
  /** Number of similar groups that this group replaces; 1 for a group that replaces no other. */
  readonly folded: number;
}

/**
 * Maximum number of successive groups of commands that stay separate. A longer series becomes one group,
 * because health checks run a command every few seconds.
 */
const maxSeparate = 4;

/**
 * A request opens a group. Later steps belong to the group until a step closes it or the next request comes.
 */
export function groupSteps(steps: Steps): StepGroup[] {
  const groups: StepGroup[] = [];
  /**
   * Number of trailing groups, before folding, that hold only commands and begin with the same type of event.
   */
  let alike = 0;
  let from = 1;
  let [bad, isCommand] = [false, true];
  const close = (to: number) => {
    const last = groups.at(-1);
    const group: StepGroup = { from, to, bad, folded: 1 };
    const joins = isCommand && alike > 0 && last !== undefined && isSameType(steps, last.from, from);
    alike = joins ? alike + 1 : isCommand ? 1 : 0;
    if (!joins || alike <= maxSeparate) groups.push(group);
    else {
      // The first fold replaces the separate groups. Later ones extend the folded group.
      const members = alike === maxSeparate + 1 ? groups.splice(-maxSeparate) : groups.splice(-1);
      const wasBad = bad || members.some((member) => member.bad);
      groups.push({ from: members[0]?.from ?? from, to, bad: wasBad, folded: alike });
    }
    from = to + 1;
    [bad, isCommand] = [false, true];
  };
  for (let seq = 1; seq <= steps.length; seq++) {
    const { group, category } = steps.kindOf(seq);
    if (group === "opens" && seq > from) close(seq - 1);
    bad ||= steps.isBad(seq);
    isCommand &&= category === "command";
    if (group === "closes") close(seq);
  }
  if (from <= steps.length) close(steps.length);
  return groups;
}

function isSameType(steps: Steps, a: number, b: number): boolean {
  return steps.kindOf(a).type === steps.kindOf(b).type;
}

/** Maximum number of outcomes in a title. */
const maxOutcomes = 5;

/**
 * The title of a group, such as `Stop requested → SIGTERM delivered → exit code 0, after 1.2 s`.
 * @param phraseOf returns a step's texts; undefined until they are known
 */
export function groupTitle(
  steps: Steps,
  { from, to, folded }: StepGroup,
  phraseOf: (seq: number) => Phrase | undefined,
): string {
  const { title } = steps.kindOf(from);
  if (folded > 1) {
    const last = phraseOf(to)?.text;
    return `${title} ×${formatCount(folded)}${last === undefined ? "" : `, the last: ${last}`}`;
  }
  const shown = stepsInTitle({ from, to });
  const outcomes = shown
    .slice(1)
    .map((seq) => phraseOf(seq)?.outcome ?? steps.kindOf(seq).title.toLowerCase());
  if (shown.length < to - from + 1) outcomes.splice(-1, 0, "…");
  const span =
    to > from ? `, after ${formatDuration(Math.max(0, steps.timeOf(to) - steps.timeOf(from)))}` : "";
  return `${[title, ...outcomes].join(" → ")}${span}`;
}

/** The steps whose texts are in a group's title: the first ones and the last. */
export function stepsInTitle({ from, to }: Pick<StepGroup, "from" | "to">): number[] {
  const count = to - from + 1;
  if (count <= maxOutcomes + 1) return Array.from({ length: count }, (_, index) => from + index);
  return [...Array.from({ length: maxOutcomes }, (_, index) => from + index), to];
}
