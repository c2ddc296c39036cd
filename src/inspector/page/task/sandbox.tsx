/** The task's sandbox: process and host, limits, paths, and launch plan. */
import type { TaskContext } from "../../../machines/taskContext.ts";
import { countOf } from "../../../units/counts.ts";
import { formatShare } from "../../../units/ratios.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { visible } from "../../../units/visible.ts";
import { Details, type FactLine, Facts, Table } from "../table.tsx";

type SandboxFacts = NonNullable<TaskContext["sandbox"]>;

export function Sandbox({ context }: { readonly context: TaskContext }) {
  const { sandbox } = context;
  return (
    <>
      <div class="columns">
        <section class="card" aria-label="Process and host">
          <h2>Process and host</h2>
          <Facts facts={factsOf(context)} />
        </section>
        <section class="card stacked limits" aria-label="Limits">
          <h2>Limits</h2>
          {sandbox === null ? <p class="faint">Not prepared at this moment.</p> : <Limits {...sandbox} />}
        </section>
      </div>
      {sandbox === null ? null : <Unveiled {...sandbox} />}
      {sandbox === null ? null : <LaunchPlan {...sandbox} />}
    </>
  );
}

function factsOf({ request, host, sandbox, process }: TaskContext): FactLine[] {
  const facts: FactLine[] = [];
  if (sandbox) facts.push(["Program", <code key="c">{sandbox.command}</code>]);
  if (sandbox) facts.push(["Works in", <code key="c">{sandbox.workDir}</code>]);
  if (sandbox) facts.push(["User", `${sandbox.user}, uid ${sandbox.uid}, gid ${sandbox.gid}`]);
  if (process) facts.push(["Process", `pid ${process.task.pid}, below its init ${process.init.pid}`]);
  if (request) facts.push(["Standard output", <code key="c">{request.stdoutPath}</code>]);
  if (request) facts.push(["Standard error", <code key="c">{request.stderrPath}</code>]);
  if (host) facts.push(["Host", `Linux ${host.kernel} on ${host.arch}, Landlock ABI ${host.landlockAbi}`]);
  if (host) facts.push(["Controllers", host.cgroupControllers.join(", ") || "none"]);
  return facts;
}

function Limits({ limits, resourceLimits, umask, nice }: SandboxFacts) {
  return (
    <Table
      label="List of limits"
      heads={["Limit", "Value", "In force"]}
      rows={[
        ...limits.map(({ file, value, applied, reason }) => [
          <code key="file">{file}</code>,
          <LimitValue key="value" value={value} meaning={limitMeaning(file, value)} />,
          applied ? "yes" : <span class="bad">{`no: ${reason ?? "unknown"}`}</span>,
        ]),
        ...resourceLimits.map(({ resource, soft, hard }) => [
          <code key="resource">{resource}</code>,
          soft === hard ? String(soft) : `${soft}, at most ${hard}`,
          "yes",
        ]),
        [<code key="umask">umask</code>, umask.toString(8).padStart(4, "0"), "yes"],
        [<code key="nice">nice</code>, String(nice), "yes"],
      ]}
    />
  );
}

function LimitValue({ value, meaning }: { readonly value: string; readonly meaning: string }) {
  if (meaning === "") return value;
  return (
    <>
      {meaning} <span class="faint">({value})</span>
    </>
  );
}

const rights = [
  ["r", "Read"],
  ["w", "Write"],
  ["x", "Execute"],
  ["c", "Create, remove"],
] as const;

/** The order of paths. Those of the job and the plugin come before those that the driver adds. */
const sources = ["task", "plugin", "volume", "mount", "device", "folder", "log", "default"];
const rank = (source: string) => sources.findIndex((each) => source.includes(each));

function Unveiled({ unveiled, skipped }: SandboxFacts) {
  const sorted = unveiled.toSorted((a, b) => rank(a.source) - rank(b.source));
  const [own, usual] = [sorted.filter(isOwn), sorted.filter((entry) => !isOwn(entry))];
  return (
    <section class="card stacked unveiled" aria-label="Unveiled paths">
      <h2>
        Unveiled paths <span class="faint">everything else is denied</span>
      </h2>
      {own.length === 0 ? null : <Paths label="Its own paths" entries={own} />}
      {usual.length === 0 ? null : (
        <details>
          <summary>{countOf(usual.length, "default path")}, as for every task</summary>
          <Paths label="Default paths" entries={usual} />
        </details>
      )}
      {skipped.length === 0 ? null : (
        <details>
          <summary>{countOf(skipped.length, "path")} that could not be unveiled</summary>
          <Table
            label="Not unveiled"
            heads={["Path", "Why"]}
            rows={skipped.map(({ path, reason }) => [<code key="path">{path}</code>, reason])}
          />
        </details>
      )}
    </section>
  );
}

type Entry = SandboxFacts["unveiled"][number];

function isOwn({ source }: Entry): boolean {
  return source !== "default";
}

function Paths({ label, entries }: { readonly label: string; readonly entries: readonly Entry[] }) {
  return (
    <Table
      label={label}
      heads={["Path", ...rights.map(([, name]) => name), "By"]}
      rows={entries.map(({ path, mode, source }) => [
        <code key="path">{path}</code>,
        ...rights.map(([letter, name]) => <Right key={letter} name={name} granted={mode.includes(letter)} />),
        source,
      ])}
    />
  );
}

function Right({ name, granted }: { readonly name: string; readonly granted: boolean }) {
  return granted ? (
    <span class="right" role="img" aria-label={name.toLowerCase()}>
      ✓
    </span>
  ) : (
    <span class="faint" role="img" aria-label={`no ${name.toLowerCase()}`}>
      ·
    </span>
  );
}

/** @returns empty if the value needs no explanation */
function limitMeaning(file: string, value: string): string {
  if (file.startsWith("memory.") && /^\d+$/.test(value)) return formatBytes(Number(value));
  const [quota, period] = value.split(" ").map(Number);
  if (file === "cpu.max" && quota !== undefined && period !== undefined && quota > 0) {
    return `${formatShare(quota / period)} of a core`;
  }
  return "";
}

function LaunchPlan({ plan }: SandboxFacts) {
  const lines = plan.map((step, index) => `${String(index + 1).padStart(3)}  ${visible(step)}`);
  return (
    <section class="card" aria-label="Launch plan">
      <Details title={`Launch plan, ${countOf(plan.length, "step")}`} text={lines.join("\n")} />
    </section>
  );
}
