/** Figures of the host and of all its tasks. */
import { formatCount } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import type { NodeHost, NodeView } from "../views/nodeView.ts";
import { toneOf } from "../views/outcomeKinds.ts";
import { linkTo } from "./address.ts";
import { BarChart } from "./barChart.tsx";
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

function Activity({ activity }: { readonly activity: NodeView["activity"] }) {
  const { starts, exits } = activity;
  return (
    <BarChart
      title="Starts and exits"
      spans={activity}
      up={{ kind: "start", name: "starts", counts: starts }}
      down={{ kind: "exit", name: "exits", counts: exits }}
    />
  );
}
