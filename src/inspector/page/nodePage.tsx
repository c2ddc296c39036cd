/** Figures of the host and of all its tasks. */
import { formatCount } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatClock, formatTime } from "../../units/times.ts";
import type { NodeHost, NodeView } from "../views/nodeView.ts";
import { toneOf } from "../views/outcomeKinds.ts";
import { linkTo } from "./address.ts";
import { Waiting } from "./empty.tsx";
import { useNow } from "./hooks.ts";
import { type PartProperties, useAnswer } from "./live.ts";
import { type FactLine, Facts } from "./table.tsx";

export function NodePage({ live: { version } }: PartProperties) {
  const view = useAnswer<NodeView>("/api/node", `${version} ${Math.floor(useNow() / 5_000)}`);
  if (view === undefined) return <Waiting text="Looking at the node…" />;
  const { outcomes, start } = view;
  return (
    <>
      <h1 class="plain">Node</h1>
      <div class="columns if-wide">
        <section class="card" aria-label="Tasks by outcome">
          <h2>Tasks by outcome</h2>
          {outcomes.length === 0 ? (
            <p class="faint">None yet.</p>
          ) : (
            <Facts kind="figures" facts={outcomes.map(outcomeFigure)} />
          )}
        </section>
        <section class="card" aria-label="Starts">
          <h2>
            Start latency <span class="faint">from the agent's request to the running program</span>
          </h2>
          {start === null ? (
            <p class="faint">No start yet.</p>
          ) : (
            <Facts kind="figures" facts={startFigures(start)} />
          )}
        </section>
      </div>
      <Activity activity={view.activity} />
      <div class="columns">
        <section class="card" aria-label="Driver">
          <h2>Driver</h2>
          <Facts facts={driverFacts(view)} />
        </section>
        <section class="card" aria-label="Host">
          <h2>Host</h2>
          {view.host === null ? (
            <p class="faint">This is a bundle: each task shows the host that it ran on.</p>
          ) : (
            <Facts facts={hostFacts(view.host)} />
          )}
        </section>
      </div>
    </>
  );
}

function outcomeFigure({ kind, tasks }: NodeView["outcomes"][number]): FactLine {
  return [
    kind,
    <a key="tasks" class={toneOf[kind]} href={linkTo([], { outcome: kind })}>
      {formatCount(tasks)}
    </a>,
  ];
}

function startFigures({ starts, p50, p90, p99, max }: NonNullable<NodeView["start"]>): FactLine[] {
  return [
    ["half within", formatDuration(p50)],
    ["90 % within", formatDuration(p90)],
    ["99 % within", formatDuration(p99)],
    ["slowest", formatDuration(max)],
    ["starts", starts],
  ];
}

function driverFacts({ plugins, inspector, path }: NodeView): FactLine[] {
  const processes = plugins.map(
    ({ pid, version }) =>
      `process ${pid}, ${version === null ? "has started no task yet" : `version ${version}`}`,
  );
  return [
    ["Plugin", processes.join("; ") || "none runs here"],
    ["Inspector", `version ${inspector}`],
    ["Event log", <code key="path">{path}</code>],
  ];
}

function hostFacts({
  kernel,
  arch,
  cores,
  landlockAbi,
  cgroupMount,
  cgroupControllers,
}: NodeHost): FactLine[] {
  return [
    ["Kernel", `Linux ${kernel} on ${arch}`],
    ["Cores", String(cores)],
    ["Landlock", landlockAbi > 0 ? `ABI ${landlockAbi}` : "none: no task can be started"],
    ["cgroup v2", cgroupMount === null ? "not mounted" : <code key="mount">{cgroupMount}</code>],
    ["Controllers", cgroupControllers.join(", ") || "none: limits cannot be enforced"],
  ];
}

/** Sizes in the drawing's own units. The drawing is stretched to the available width. */
const [barWidth, half] = [10, 50];

/** Starts and exits over time, as bars above and below a line. */
function Activity({ activity }: { readonly activity: NodeView["activity"] }) {
  const { starts, exits, spanMs, from } = activity;
  const max = Math.max(1, ...starts, ...exits);
  const [started, ended] = [sum(starts), sum(exits)];
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => from + share * spanMs * starts.length);
  return (
    <section class="card activity" aria-label="Starts and exits">
      <h2>
        Starts and exits <span class="faint">{formatDuration(spanMs)} a bar</span>
      </h2>
      <div class="plot">
        <span class="scale">{max}</span>
        <svg
          viewBox={`0 0 ${starts.length * barWidth} ${2 * half}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${started} starts and ${ended} exits`}
        >
          {starts.map((count, index) => (
            <Bar key={`start ${from + index * spanMs}`} kind="start" share={count / max} index={index} />
          ))}
          {exits.map((count, index) => (
            <Bar key={`exit ${from + index * spanMs}`} kind="exit" share={count / max} index={index} />
          ))}
          <line x1="0" x2={starts.length * barWidth} y1={half} y2={half} />
        </svg>
        <span class="scale">{max}</span>
      </div>
      <div class="times" aria-hidden="true">
        {ticks.map((time) => (
          <span key={time}>{clock(time, spanMs)}</span>
        ))}
      </div>
      <p class="legend">
        <span>
          <i class="start" /> {started} starts, above the line
        </span>
        <span>
          <i class="exit" /> {ended} exits, below it
        </span>
      </p>
    </section>
  );
}

interface BarProperties {
  readonly kind: "start" | "exit";
  /** Height relative to the highest bar. */
  readonly share: number;
  readonly index: number;
}

function Bar({ kind, share, index }: BarProperties) {
  if (share === 0) return null;
  // At least 2, so that a bar for a single task is visible beside a bar for thousands of tasks.
  const height = Math.max(2, (half - 2) * share);
  const y = kind === "start" ? half - height : half;
  return <rect class={kind} x={index * barWidth + 1} y={y} width={barWidth - 2} height={height} />;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, each) => total + each, 0);
}

/** The wall-clock time, with the day if the chart of 60 bars, each of `spanMs`, spans more than a day. */
function clock(time: number, spanMs: number): string {
  return spanMs > 1_440_000 ? formatTime(time).slice(5, 16) : formatClock(time).slice(0, 8);
}
