/** `cp`: copies files into or out of a running task. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { posix } from "node:path";
import { endBySignal } from "../../../base/taskEnd.ts";
import { waitForAnswersInTask } from "../../../effects/host/silentMounts.ts";
import type { Remark } from "../../../effects/operator/copiedEntry.ts";
import { type CopyTerms, copyEntries, dataBelow } from "../../../effects/operator/copyEntries.ts";
import { openWriters } from "../../../effects/operator/openWriters.ts";
import { TaskRootView } from "../../../effects/root/listRoot.ts";
import { catchInterrupts, type Interrupts } from "../../../localAgent/task/interrupts.ts";
import { countOf } from "../../../units/counts.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { visible } from "../../../units/visible.ts";
import { findOperatedTask, recordAct } from "../../tasks/operator.ts";
import { print, printNote } from "../../terminal/output.ts";
import { progressBar } from "../../terminal/progressBar.ts";
import { type CopyTarget, hostFiles, openSource, openTarget } from "./files.ts";
import { parseCopy } from "./places.ts";
import { taskFiles } from "./taskFiles.ts";

/**
 * @returns the exit code: 1 if the copy lacks something
 * @throws DriverError `USER_FORBIDDEN`, `TASK_NOT_FOUND`, `TASK_NOT_RUNNING`, `CONFIG_INVALID`, `PATH_NOT_FOUND`,
 *   `COPY_FAILED`, `PLUGIN_FAILED`
 */
export async function copyFiles(
  from: string,
  to: string,
  { stateDir }: { readonly stateDir: string },
): Promise<number> {
  const copy = parseCopy(from, to);
  const task = await findOperatedTask(stateDir, copy.task, "only root may read and write what is a task's");
  using view = new TaskRootView(task.init);
  const inTask = posix.resolve(task.sandbox.workDir, copy.isOut ? copy.from : copy.to);
  await waitForAnswersInTask([inTask], { pid: task.init.pid, root: view.root }, undefined);
  const files = taskFiles(task, view);
  using opened = new DisposableStack();
  const top = opened.adopt(
    copy.isOut ? openSource(files, inTask) : openSource(hostFiles, copy.from),
    closeSync,
  );
  const into = copy.isOut ? openTarget(hostFiles, copy.to, copy.from) : openTarget(files, inTask, copy.from);
  opened.adopt(into.folder, closeSync);
  await recordAct(task, copy.isOut ? "copyOut" : "copyIn", inTask);
  const interrupts = catchInterrupts();
  opened.defer(() => interrupts.release());
  const terms = { writers: openWriters(task.cgroup), user: copy.isOut ? undefined : files.user };
  return await transfer(top, into, terms, interrupts);
}

async function transfer(
  top: number,
  into: CopyTarget,
  terms: Pick<CopyTerms, "writers" | "user">,
  { stop }: Interrupts,
): Promise<number> {
  const bar = progressBar(process.stderr);
  const remarks: Remark[] = [];
  try {
    const whole = process.stderr.isTTY ? await dataBelow(top) : 0;
    const { files, folders, bytes } = await copyEntries(top, into, {
      ...{ ...terms, stop },
      remark: (remark) => void remarks.push(remark),
      progress: (copied) => {
        const share = whole === 0 ? 1 : copied.bytes / whole;
        bar.show({ what: `files, ${formatBytes(copied.bytes)}`, done: copied.files, share });
      },
    });
    bar.clear();
    print(`${countOf(files, "file")}, ${countOf(folders, "folder")}, ${formatBytes(bytes)}`);
  } catch (thrown) {
    bar.clear();
    if (!stop.aborted) throw thrown;
    printNote("interrupted: the copy is not complete");
    return endBySignal(constants.signals[stop.reason as NodeJS.Signals]).exitCode;
  } finally {
    for (const { path, what } of remarks) printNote(`${visible(path) || "the file"}: ${what}`);
  }
  return remarks.some(({ isLoss }) => isLoss) ? 1 : 0;
}
