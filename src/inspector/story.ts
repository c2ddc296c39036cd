/**
 * A history told so that nothing has to be opened: a line a step in plain words,
 * and a request together with what came of it. Pure.
 */
import { summarise } from "../cli/events/eventSummary.ts";
import { formatSpan } from "../cli/terminal/time.ts";
import type { Moment } from "../replay/history.ts";
import { isError } from "../replay/search.ts";

export interface Phrase {
  /** What happened, in a few words. */
  readonly title: string;
  /** With its particulars. */
  readonly text: string;
}

/** A step of the history, as the page shows it. */
export interface StepLine extends Phrase {
  readonly seq: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Milliseconds since the step before; null for the first. */
  readonly since: number | null;
  readonly from: string;
  readonly to: string;
  readonly effects: readonly string[];
  readonly bad: boolean;
}

/** Steps that belong together. */
export interface Chapter {
  /** `Stop asked → SIGTERM delivered → exit code 0, after 1.2 s`. */
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly bad: boolean;
  /** It stands for many that are alike: only its title is worth a look. */
  readonly folded: boolean;
}

export function stepLine(moment: Moment): StepLine {
  const { seq, stored, before, after, effects, sinceBefore } = moment;
  return {
    seq,
    type: stored.type,
    time: stored.time,
    since: sinceBefore ?? null,
    from: before.value,
    to: after.value,
    effects,
    bad: isError(moment),
    ...phraseOf(moment),
  };
}

function phraseOf({ event, stored, problem }: Moment): Phrase {
  const title = Object.hasOwn(titles, stored.type) ? (titles[stored.type] ?? stored.type) : stored.type;
  if (event === undefined) return { title, text: `this version cannot read it: ${problem}` };
  return { title, text: summarise(event) };
}

/** Requests open a chapter; what comes of one belongs to it until another one is made. */
export function chaptersOf(steps: readonly StepLine[]): Chapter[] {
  const groups: StepLine[][] = [];
  for (const step of steps) {
    const group = groups.at(-1);
    if (group === undefined || opening.has(step.type) || closed(group)) groups.push([step]);
    else group.push(step);
  }
  return runsOf(groups).flatMap((run) =>
    run.length > mostAlike ? foldedChapter(run) : run.map((group) => chapterOf(group)),
  );
}

/** Health checks run a command in the task every few seconds: more of them in a row are told as one. */
const mostAlike = 4;

/** Commands in a row; everything else stands for itself. */
function runsOf(groups: readonly StepLine[][]): StepLine[][][] {
  const runs: StepLine[][][] = [];
  for (const group of groups) {
    const run = runs.at(-1);
    if (run !== undefined && isCommand(group) && isCommand(run[0] ?? [])) run.push(group);
    else runs.push([group]);
  }
  return runs;
}

function isCommand(group: readonly StepLine[]): boolean {
  return group.every(({ type }) => type === "execStarted" || type === "execExited");
}

function foldedChapter(run: readonly StepLine[][]): Chapter {
  const chapter = chapterOf(run.flat());
  const last = run.at(-1)?.at(-1);
  const title = `${titles.execStarted} ×${run.length}, the last: ${last?.text ?? ""}`;
  return { ...chapter, title, folded: true };
}

function chapterOf(steps: readonly StepLine[]): Chapter {
  const [first, last] = [steps[0] as StepLine, steps.at(-1) as StepLine];
  const outcomes = steps.slice(1).map(outcomeOf);
  const span = steps.length > 1 ? `, after ${formatSpan(Math.max(0, last.time - first.time))}` : "";
  return {
    title: `${[first.title, ...outcomes].join(" → ")}${span}`,
    from: first.seq,
    to: last.seq,
    bad: steps.some(({ bad }) => bad),
    folded: false,
  };
}

/** The end of a task is told by how it ended. */
function outcomeOf({ type, title, text }: StepLine): string {
  if (type === "forceKilled") return "SIGKILL sent";
  return told.has(type) ? text : title.toLowerCase();
}

function closed(group: readonly StepLine[]): boolean {
  return group.some(({ type }) => closing.has(type));
}

const titles: Readonly<Record<string, string>> = {
  requested: "Start asked",
  fingerprinted: "Host looked at",
  sandboxed: "Sandbox laid out",
  started: "Running",
  startFailed: "Start failed",
  signalled: "Signal sent",
  execStarted: "Command run in it",
  execExited: "Command ended",
  stopRequested: "Stop asked",
  stopTimedOut: "Time to stop was over",
  destroyRequested: "Removal asked",
  forceKilled: "Killed",
  oomSeen: "Out of memory",
  exited: "Ended",
  adopted: "Taken over from the Go driver",
  recovered: "Taken over by a new plugin process",
  lost: "Lost",
  destroyed: "Forgotten",
};

const opening: ReadonlySet<string> = new Set([
  ...["requested", "stopRequested", "destroyRequested", "execStarted", "recovered", "adopted", "destroyed"],
]);
const closing: ReadonlySet<string> = new Set(["started", "startFailed", "exited", "execExited", "lost"]);
const told: ReadonlySet<string> = new Set(["signalled", "exited", "execExited"]);
