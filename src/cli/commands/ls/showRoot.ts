/** `ls`: files as a running task sees them. */
import { posix } from "node:path";
import { DriverError } from "../../../base/errors.ts";
import { type RootEntry, TaskRootView } from "../../../effects/root/listRoot.ts";
import type { UnveilSource } from "../../../effects/unveil/unveil.ts";
import { pathsInTask, type RightsAt, rightsAt, sourceWords } from "../../../history/access/rightsAt.ts";
import type { TaskContext } from "../../../machines/taskContext.ts";
import { visible } from "../../../units/visible.ts";
import { findRunningTask } from "../../tasks/runningTask.ts";
import { printRows } from "../../terminal/output.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";

type Listed = Omit<RootEntry, "path"> & RightsAt;

/**
 * @param path a path in the task; a relative path begins at the task's working directory, as for exec
 * @returns the exit code
 * @throws DriverError `USER_FORBIDDEN`, `TASK_NOT_FOUND`, `TASK_NOT_RUNNING`, `PATH_NOT_FOUND`
 */
export async function showRoot(
  task: string,
  path: string,
  { json, stateDir }: { readonly json: boolean; readonly stateDir: string },
): Promise<number> {
  const { context } = await findRunningTask(stateDir, task, "only root can list a task's files");
  const entries = entriesOf(context, path);
  printRows("ls", entries, json, (style, width) => formatEntries(entries, style, width));
  return 0;
}

function entriesOf({ sandbox, process }: TaskContext, given: string): Listed[] {
  if (sandbox === null || process === null)
    throw new DriverError("TASK_NOT_RUNNING", "the task is not running");
  const path = posix.resolve(sandbox.workDir, given);
  using view = new TaskRootView(process.init);
  const unveiled = sandbox.unveiled.flatMap((rule) =>
    pathsInTask(rule, sandbox).map((at) => ({ ...rule, path: view.resolve(at) ?? at })),
  );
  const entries = view.list(path);
  if (entries === undefined) {
    throw new DriverError("PATH_NOT_FOUND", `the task sees nothing at ${path}`, {
      hint: "A task's root holds only unveiled paths: see docs/configuration.md#root",
    });
  }
  return entries.map(({ path: at, ...entry }) => {
    return { ...entry, ...rightsAt((entry.kind === "link" && view.resolve(at)) || at, unveiled) };
  });
}

function formatEntries(entries: readonly Listed[], style: Style, width: number): string {
  return formatTable(
    entries.map(({ name, kind, target, rights, sources, leads }) => [
      [..."rwxc"].map((letter) => (rights.includes(letter) ? letter : "-")).join(""),
      visible(`${name}${kind === "folder" ? "/" : ""}${target === undefined ? "" : ` -> ${target}`}`),
      style.dim(
        rights === "" && leads
          ? "leads to an unveiled path"
          : sources.map((source) => sourceWords[source as UnveilSource] ?? source).join(", "),
      ),
    ]),
    width,
  );
}
