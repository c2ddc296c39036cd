/** The history as a table: one line for each step, grouped by requests and their outcomes. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatDuration } from "../../../units/durations.ts";
import { formatZonedTime } from "../../../units/times.ts";
import { groupSteps, groupTitle, type StepGroup } from "../../views/eventGroups.ts";
import type { Phrase } from "../../views/phrase.ts";
import type { Steps } from "../../views/stepTable.ts";
import { Gap, reveal, rowsInSight, useRowHeight } from "../longTable.tsx";
import { useChoice } from "../navigation.ts";
import { StoryRows, stepsIn } from "./storyRows.ts";
import { usePhrases } from "./visibleSteps.ts";

interface Properties {
  /** Query parameters that identify the task in the API. */
  readonly query: string;
  readonly steps: Steps;
  readonly seq: number;
  readonly choose: (seq: number) => void;
}

const headHeight = 30;

export function Story({ query, steps, seq, choose }: Properties) {
  /** The first step of the group that the user opened. If empty, the group with the chosen step is open. */
  const [open, setOpen] = useChoice("open");
  const [chosen] = useChoice("event");
  const opened = Number(open || chosen) || undefined;
  const groups = useMemo(() => groupSteps(steps), [steps]);
  const rows = useMemo(() => new StoryRows(groups, opened), [groups, opened]);
  const height = useRowHeight(30, 46);
  const scroller = useRef<HTMLElement>(null);
  const [top, setTop] = useState(0);
  const current = rows.indexOf(seq);
  // Opening a group does not scroll, so that its title keeps its position.
  useLayoutEffect(() => setTop(reveal(scroller.current, current, height, headHeight)), [seq, height]);
  const [first, last] = rowsInSight(top, height, rows.length);
  const visible = rows.slice(first, last);
  const phraseOf = usePhrases(query, stepsIn(visible), steps.length);
  const begun = steps.timeOf(1);
  return (
    <section class="card story" aria-label="What happened">
      <h2>What happened</h2>
      <section
        ref={scroller}
        class="steps-box"
        aria-label="Steps"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop } }) => setTop(scrollTop)}
      >
        <table aria-rowcount={rows.length + 1}>
          <Heads />
          <Gap height={first * height} />
          <tbody>
            {visible.map((row, index) =>
              row.kind === "group" ? (
                <Heading
                  key={`group ${row.group.from}`}
                  group={row.group}
                  isOpen={row.isOpen}
                  index={first + index}
                  isCurrent={first + index === current}
                  title={groupTitle(steps, row.group, phraseOf)}
                  toggle={() => setOpen(row.isOpen ? "" : String(row.group.from))}
                />
              ) : (
                <Row
                  key={row.seq}
                  {...{ steps, begun, choose }}
                  seq={row.seq}
                  phrase={phraseOf(row.seq)}
                  index={first + index}
                  isCurrent={row.seq === seq}
                />
              ),
            )}
          </tbody>
          <Gap height={Math.max(0, rows.length - last) * height} />
        </table>
      </section>
    </section>
  );
}

function Heads() {
  return (
    <thead>
      <tr>
        <th scope="col" class="number at">
          At
        </th>
        <th scope="col" class="number since">
          Gap
        </th>
        <th scope="col">Step</th>
      </tr>
    </thead>
  );
}

interface HeadingProperties {
  readonly group: StepGroup;
  readonly isOpen: boolean;
  readonly index: number;
  readonly isCurrent: boolean;
  readonly title: string;
  readonly toggle: () => void;
}

/** The title of a group. If the group can be folded, a click on its title opens or closes it. */
function Heading({
  group: { from, to, bad, folded },
  isOpen,
  index,
  isCurrent,
  title,
  toggle,
}: HeadingProperties) {
  const range = folded > 1 ? `[${from}…${to}] ` : "";
  return (
    <tr class={`group${bad ? " bad" : ""}${isCurrent ? " current" : ""}`} aria-rowindex={index + 2}>
      <th class="heading" scope="rowgroup" colSpan={3} title={title}>
        {folded > 1 ? (
          <button type="button" aria-expanded={isOpen} onClick={toggle}>
            <span aria-hidden="true">{isOpen ? "▾ " : "▸ "}</span>
            <span class="faint">{range}</span>
            {title}
          </button>
        ) : (
          title
        )}
      </th>
    </tr>
  );
}

interface RowProperties {
  readonly steps: Steps;
  readonly seq: number;
  /** The step's texts; undefined while they are loading. Until then, the event's type gives the title. */
  readonly phrase: Phrase | undefined;
  readonly index: number;
  readonly isCurrent: boolean;
  /** Time of the first step. */
  readonly begun: number;
  readonly choose: (seq: number) => void;
}

function Row({ steps, seq, phrase, index, isCurrent, begun, choose }: RowProperties) {
  const time = steps.timeOf(seq);
  const bad = steps.isBad(seq);
  const since = seq === 1 ? "" : `+${formatDuration(Math.max(0, time - steps.timeOf(seq - 1)))}`;
  return (
    <tr class={`step${bad ? " bad" : ""}${isCurrent ? " current" : ""}`} aria-rowindex={index + 2}>
      <td class="number at" title={formatZonedTime(time)}>
        {formatDuration(Math.max(0, time - begun))}
      </td>
      <td class="number since">{since}</td>
      <td title={phrase?.text}>
        <button type="button" aria-current={isCurrent ? "step" : undefined} onClick={() => choose(seq)}>
          {phrase?.title ?? steps.kindOf(seq).title}
        </button>{" "}
        <span>{phrase?.text}</span>
      </td>
    </tr>
  );
}
