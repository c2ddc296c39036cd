/** Summarizes a moment as text without colours. Pure. */

import type { Change } from "../../history/replay/contextDiff.ts";
import type { Moment } from "../../history/replay/history.ts";
import { summarize } from "../../machines/events.ts";
import { formatDuration } from "../../units/durations.ts";
import { visible, visibleLines } from "../../units/visible.ts";

export interface MomentSummary {
  readonly text: string;
  /** Whether the text describes a problem of the replay. */
  readonly isProblem: boolean;
}

/** Describes the event, or the problem that the replay has with it. */
export function summarizeMoment({ event, problem, accepted, asRecorded, stored }: Moment): MomentSummary {
  if (event === undefined)
    return { text: `this version cannot read it: ${visibleLines(problem ?? "")}`, isProblem: true };
  // An inserted event has no recorded states.
  const recorded =
    stored.to === ""
      ? ""
      : visible(`; the recording has ${stored.from} → ${stored.to} [${stored.effects.join(", ")}]`);
  if (!accepted) return { text: `the machine rejects it${recorded}`, isProblem: true };
  if (!asRecorded && recorded !== "") {
    return { text: `the machine diverges${recorded}`, isProblem: true };
  }
  return { text: summarize(event), isProblem: false };
}

/** The event that reports on an effect, and the time from the effect to this report. */
export function reportText({ stored }: Moment, { stored: report, seq }: Moment): string {
  return `→ ${visible(report.type)} (${seq}) after ${formatDuration(Math.max(0, report.time - stored.time))}`;
}

/** A span with its sign, such as `+12 ms`. */
export function spanBetween(milliseconds: number): string {
  return milliseconds < 0 ? `-${formatDuration(-milliseconds)}` : `+${formatDuration(milliseconds)}`;
}

/** The sign of a change, the name of the value, and its old and new values. */
export function changeParts({ path, before, after }: Change) {
  const name = visible(path.join("."));
  if (isNothing(before)) return { sign: "+", name, values: [after] } as const;
  if (isNothing(after)) return { sign: "-", name, values: [before] } as const;
  return { sign: "~", name, values: [before, after] } as const;
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}
