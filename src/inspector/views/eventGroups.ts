/**
 * Groups steps: a request together with its outcome. Pure; the page groups steps as
 * they come.
 */
import { formatDuration } from "../../units/durations.ts";
import type { StepLine } from "./story.ts";

/** Steps that belong together. */
export interface EventGroup {
  /** `Stop requested → SIGTERM delivered → exit code 0, after 1.2 s`. */
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly bad: boolean;
  /** Whether it combines many similar steps, of which only the title is of interest. */
  readonly folded: boolean;
}

/** A request opens a group. Later steps belong to it until its end, or the next request. */
export function groupSteps(steps: readonly StepLine[]): EventGroup[] {
  const groups: StepLine[][] = [];
  for (const step of steps) {
    const group = groups.at(-1);
    if (group === undefined || step.group === "opens" || closed(group)) groups.push([step]);
    else group.push(step);
  }
  return runsOf(groups).flatMap((run) =>
    run.length > maxSeparate ? collapsedGroup(run) : run.map((group) => groupOf(group)),
  );
}

/** Health checks run a command in the task every few seconds. A longer run of commands becomes one group. */
const maxSeparate = 4;

/** Joins consecutive groups that are commands, told one by one or counted; any other group is a run of its own. */
function runsOf(groups: readonly StepLine[][]): StepLine[][][] {
  const runs: StepLine[][][] = [];
  for (const group of groups) {
    const run = runs.at(-1);
    if (run?.[0] !== undefined && isCommand(group) && isLike(run[0], group)) run.push(group);
    else runs.push([group]);
  }
  return runs;
}

function isLike([a]: readonly StepLine[], [b]: readonly StepLine[]): boolean {
  return a?.title === b?.title;
}

function isCommand(group: readonly StepLine[]): boolean {
  return group.every((step) => step.category === "command");
}

function collapsedGroup(run: readonly StepLine[][]): EventGroup {
  const steps = run.flat();
  const [first, last] = [steps[0] as StepLine, steps.at(-1) as StepLine];
  const title = `${first.title} ×${run.length}, the last: ${last.text}`;
  return { ...groupOf(steps), title, folded: true };
}

function groupOf(steps: readonly StepLine[]): EventGroup {
  const [first, last] = [steps[0] as StepLine, steps.at(-1) as StepLine];
  const outcomes = steps.slice(1).map(({ outcome }) => outcome);
  const span = steps.length > 1 ? `, after ${formatDuration(Math.max(0, last.time - first.time))}` : "";
  return {
    title: `${[first.title, ...outcomes].join(" → ")}${span}`,
    from: first.seq,
    to: last.seq,
    bad: steps.some(({ bad }) => bad),
    folded: false,
  };
}

function closed(group: readonly StepLine[]): boolean {
  return group.some((step) => step.group === "closes");
}
