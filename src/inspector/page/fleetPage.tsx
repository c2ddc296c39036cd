/** The failures of a whole cluster, and what sets them apart. */
import { chanceText } from "../../fleet/chanceText.ts";
import { formatCount } from "../../units/counts.ts";
import { formatTime } from "../../units/times.ts";
import { visible } from "../../units/visible.ts";
import type { FleetAnswer, FleetGroup, FleetView } from "../views/fleetView.ts";
import { countIn, spansSince } from "../views/timeSpans.ts";
import { linkTo } from "./address.ts";
import { BarChart } from "./barChart.tsx";
import { Empty, Waiting } from "./empty.tsx";
import { useNow } from "./hooks.ts";
import { type PartProperties, useFetched } from "./live.ts";
import { Table } from "./table.tsx";

const refreshMs = 10_000;

export function FleetPage({ live: { status } }: PartProperties) {
  const now = useNow();
  const address = status === undefined || status.fleet ? "/api/fleet" : undefined;
  const { answer, isError } = useFetched<FleetAnswer>(address, Math.floor(now / refreshMs));
  if (address === undefined || isError) {
    return (
      <Empty title="No cluster is read">
        <p>
          <code>nomad-driver-exec2 inspect --fleet</code> reads one.
        </p>
      </Empty>
    );
  }
  if (answer === undefined) return <Waiting text="Reading the cluster…" />;
  if ("error" in answer) {
    return (
      <Empty title="The cluster cannot be read">
        <p>{visible(answer.error)}</p>
      </Empty>
    );
  }
  return <Answer view={answer.view} now={now} />;
}

function Answer({ view, now }: { readonly view: FleetView; readonly now: number }) {
  const { job, namespace, failed, good, other, notes, groups, nodes, times, readAt } = view;
  const where = namespace === "*" ? "all namespaces" : `namespace ${visible(namespace)}`;
  const first = times.reduce((earliest, time) => Math.min(earliest, time), now);
  const spans = spansSince(first, now);
  return (
    <>
      <h1 class="plain">
        Fleet{" "}
        <span class="faint">
          {`${job === null ? "all jobs of exec2" : `job ${visible(job)}`}, ${where}: ${formatCount(failed)} of ${formatCount(failed + good + other)} allocations failed; read ${formatTime(readAt)}`}
        </span>
      </h1>
      {notes.map((note) => (
        <p key={note}>{visible(note)}.</p>
      ))}
      {groups.length === 0 ? (
        <p class="empty">No allocation has failed.</p>
      ) : (
        <BarChart
          title="Failures over time"
          spans={spans}
          up={{ kind: "failure", name: "failures", counts: countIn(spans, times) }}
        />
      )}
      {groups.map((group) => (
        <Group key={`${group.kind} ${group.object} ${group.text}`} group={group} />
      ))}
      {nodes.length === 0 ? null : (
        <section class="card" aria-label="Nodes">
          <h2>Nodes with failures</h2>
          <Table
            label="Failures by node"
            heads={["Node", "Failed", "Allocations"]}
            rows={nodes.map(({ name, failed: own, all }) => [
              visible(name),
              formatCount(own),
              formatCount(all),
            ])}
          />
        </section>
      )}
    </>
  );
}

function Group({ group }: { readonly group: FleetGroup }) {
  const { kind, object, text, failed, named, others, sentence, examples } = group;
  const title = object === null ? visible(kind) : `${visible(kind)} ${visible(object)}`;
  const differences = [...named, ...others];
  return (
    <section class="card" aria-label={title}>
      <h2>
        {`${formatCount(failed)} × ${title}`} <span class="faint">{visible(text)}</span>
      </h2>
      <p>{visible(sentence)}.</p>
      {differences.length === 0 ? null : (
        <Table
          label={`What sets ${title} apart`}
          heads={["What", "Nodes", "Failed there", "Elsewhere", "By chance"]}
          rows={differences.map((each) => [
            visible(each.what),
            each.onNodes === null ? "" : `${formatCount(each.onNodes)} of ${formatCount(each.ofNodes)}`,
            `${formatCount(each.failed)} of ${formatCount(each.cases)}`,
            `${formatCount(each.otherFailed)} of ${formatCount(each.otherCases)}`,
            chanceText(each.lnChance),
          ])}
        />
      )}
      <p class="faint">
        Such as{" "}
        {examples.map(({ id, isKnown }, index) => (
          <span key={id}>
            {index === 0 ? "" : ", "}
            {isKnown ? <a href={linkTo(["allocation", id])}>{id.slice(0, 8)}</a> : id.slice(0, 8)}
          </span>
        ))}
      </p>
    </section>
  );
}
