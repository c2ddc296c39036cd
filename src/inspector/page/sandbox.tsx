/** What the task was given: host, limits, paths, the launch plan, its logs. */
import type { TaskContext } from "../../machines/taskContext.ts";

const letters: Readonly<Record<string, string>> = {
  r: "read",
  w: "write",
  x: "execute",
  c: "create and remove",
};

export function Sandbox({ context: { request, host, sandbox, process } }: { readonly context: TaskContext }) {
  return (
    <section class="sandbox" aria-label="Its sandbox">
      <h3>Sandbox</h3>
      <dl>
        {request ? <Fact name="Standard output" value={request.stdoutPath} /> : null}
        {request ? <Fact name="Standard error" value={request.stderrPath} /> : null}
        {host ? <Fact name="Host" value={`Linux ${host.kernel}, Landlock ABI ${host.landlockAbi}`} /> : null}
        {host ? <Fact name="Controllers" value={host.cgroupControllers.join(" ") || "none"} /> : null}
        {sandbox ? <Fact name="Program" value={`${sandbox.command}, in ${sandbox.workDir}`} /> : null}
        {sandbox ? <Fact name="User" value={`${sandbox.user}, uid ${sandbox.uid}`} /> : null}
        {process ? <Fact name="Process" value={`pid ${process.task.pid}, init ${process.init.pid}`} /> : null}
      </dl>
      {sandbox === null ? null : (
        <>
          <h4>Limits</h4>
          <Table
            heads={["File", "Value", "In force"]}
            rows={sandbox.limits.map(({ file, value, applied, reason }) => [
              file,
              value,
              applied ? "yes" : (reason ?? "no"),
            ])}
          />
          <h4>Unveiled paths</h4>
          <Table
            heads={["Path", "It may", "By"]}
            rows={[
              ...sandbox.unveiled.map(({ path, mode, source }) => [path, allowed(mode), source]),
              ...sandbox.skipped.map(({ path, reason }) => [path, "nothing", reason]),
            ]}
          />
          <details>
            <summary>Launch plan, {sandbox.plan.length} steps</summary>
            <pre>{sandbox.plan.join("\n")}</pre>
          </details>
        </>
      )}
    </section>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Table({
  heads,
  rows,
}: {
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
}) {
  return (
    <table>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.join()}>
            {row.map((cell, index) => (
              <td key={heads[index]}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function allowed(mode: string): string {
  return [...mode].map((letter) => letters[letter] ?? letter).join(", ");
}
