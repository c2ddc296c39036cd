/** The history as a table: one line for each step, grouped by requests and their outcomes. */
import { useMemo } from "preact/hooks";
import { formatDuration } from "../../../units/durations.ts";
import { formatTime } from "../../../units/times.ts";
import { type EventGroup, groupSteps } from "../../views/eventGroups.ts";
import type { StepLine } from "../../views/story.ts";

interface Properties {
  readonly steps: readonly StepLine[];
  readonly seq: number;
  readonly choose: (seq: number) => void;
}

export function Story({ steps, seq, choose }: Properties) {
  const groups = useMemo(() => groupSteps(steps), [steps]);
  const first = steps[0]?.time ?? 0;
  return (
    <section class="card story" aria-label="What happened">
      <h2>What happened</h2>
      <table>
        <thead>
          <tr>
            <th scope="col" class="number wide">
              At
            </th>
            <th scope="col" class="number">
              Gap
            </th>
            <th scope="col">Step</th>
          </tr>
        </thead>
        {groups.map((group) => (
          <tbody key={group.from}>
            {group.from === group.to ? null : <Heading group={group} choose={choose} />}
            {shownOf(steps, group, seq).map((step) => (
              <Row key={step.seq} {...{ step, first, choose }} current={step.seq === seq} />
            ))}
          </tbody>
        ))}
      </table>
    </section>
  );
}

interface HeadingProperties {
  readonly group: EventGroup;
  readonly choose: (seq: number) => void;
}

function Heading({ group: { title, to, bad, folded }, choose }: HeadingProperties) {
  return (
    <tr>
      <th scope="rowgroup" colSpan={3} class={bad ? "group bad" : "group"}>
        {title}{" "}
        {folded ? (
          <button type="button" class="reference" onClick={() => choose(to)}>
            look
          </button>
        ) : null}
      </th>
    </tr>
  );
}

/** The visible steps of a group; for a folded one, those around the shown moment. */
function shownOf(
  steps: readonly StepLine[],
  { from, to, folded }: EventGroup,
  seq: number,
): readonly StepLine[] {
  if (!folded) return steps.slice(from - 1, to);
  if (seq < from || seq > to) return [];
  return steps.slice(Math.max(from, seq - 4) - 1, Math.min(to, seq + 4));
}

interface RowProperties {
  readonly step: StepLine;
  /** Time of the first step. */
  readonly first: number;
  readonly current: boolean;
  readonly choose: (seq: number) => void;
}

function Row({ step: { seq, time, since, title, text, bad }, first, current, choose }: RowProperties) {
  return (
    <tr class={`step${bad ? " bad" : ""}${current ? " current" : ""}`}>
      <td class="number wide" title={formatTime(time)}>
        {formatDuration(Math.max(0, time - first))}
      </td>
      <td class="number">{since === null ? "" : `+${formatDuration(Math.max(0, since))}`}</td>
      <td>
        <button type="button" aria-current={current ? "step" : undefined} onClick={() => choose(seq)}>
          {title}
        </button>{" "}
        <span>{text}</span>
      </td>
    </tr>
  );
}
