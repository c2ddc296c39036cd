/** The host and all its tasks in figures. */
import { formatSpan } from "../../cli/terminal/time.ts";
import type { NodeView } from "../nodeView.ts";
import { useAnswer } from "./live.ts";
import { useNow } from "./now.ts";

export function NodePage({ version }: { readonly version: number }) {
  const view = useAnswer<NodeView>("/api/node", `${version} ${Math.floor(useNow() / 5_000)}`);
  if (view === undefined) return <p class="empty">Looking at the node…</p>;
  const facts: readonly (readonly [string, string])[] = [
    ["Plugin", view.plugins.length > 0 ? `process ${view.plugins.join(", ")}` : "none runs"],
    ["Inspector", view.inspector],
    ["Event log", view.path],
    ["Kernel", `Linux ${view.kernel}, ${view.arch}, ${view.cores} cores`],
    ["Landlock", view.landlockAbi > 0 ? `ABI ${view.landlockAbi}` : "none"],
    ["cgroup v2", view.cgroupMount ?? "not mounted"],
    ["Controllers", view.cgroupControllers.join(" ") || "none: limits cannot be enforced"],
    ...view.states.map(({ state, tasks }) => [`Tasks ${state}`, String(tasks)] as const),
    [
      "Starts",
      view.start
        ? `${view.start.starts}; half within ${formatSpan(view.start.p50)}, 90 % within ${formatSpan(view.start.p90)}, 99 % within ${formatSpan(view.start.p99)}`
        : "none yet",
    ],
  ];
  return (
    <section aria-label="Node">
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Activity activity={view.activity} />
    </section>
  );
}

function Activity({ activity: { starts, exits, spanMs } }: { readonly activity: NodeView["activity"] }) {
  const most = Math.max(1, ...starts, ...exits);
  const sum = (counts: readonly number[]) => counts.reduce((total, each) => total + each, 0);
  const bar = (count: number, index: number, down: boolean) => {
    const height = (28 * count) / most;
    return (
      <rect
        key={index}
        class={down ? "exit" : "start"}
        x={index * 4}
        y={down ? 31 : 29 - height}
        width="3"
        height={height}
      />
    );
  };
  return (
    <figure class="activity">
      <svg viewBox="0 0 240 60" role="img" aria-label={`${sum(starts)} starts and ${sum(exits)} exits`}>
        {starts.map((count, index) => bar(count, index, false))}
        {exits.map((count, index) => bar(count, index, true))}
      </svg>
      <figcaption>
        Starts (up) and exits (down), {formatSpan(spanMs)} a bar, up to {most}
      </figcaption>
    </figure>
  );
}
