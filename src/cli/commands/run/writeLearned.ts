/** Writes learned options to a job file, and keeps the file's comments and format. */
import { writeFile } from "node:fs/promises";
import { entriesOf } from "../../../client/learn/policies.ts";
import { DriverError } from "../../../errors.ts";
import type { Job, Task } from "../../../jobspec/job.ts";
import type { JobFile } from "../../../jobspec/jobFile.ts";
import { addToList, type BlockNames, setAttribute } from "../../../jobspec/source/hclEdit.ts";
import type { LearnedTask } from "./learnReport.ts";

/** @throws DriverError `CONFIG_INVALID` for a file that nothing can be written to */
export function refuseToWrite(path: string, { source }: JobFile): void {
  const why = path === "-" ? "standard input" : /^\s*\{/.test(source) ? "a job file in JSON" : undefined;
  if (why === undefined) return;
  throw new DriverError("CONFIG_INVALID", `--write: nothing can be written to ${why}`, {
    hint: "Without --write the options are printed",
  });
}

/**
 * @param read reads the changed source as a job
 * @returns whether there was anything to write
 * @throws DriverError `JOB_INVALID` if a task's `config` is not found as a block of its own; then nothing is
 *   written
 */
export async function writeLearned(
  path: string,
  { source }: JobFile,
  tasks: readonly LearnedTask[],
  read: (source: string) => Promise<Job>,
): Promise<boolean> {
  const changed = tasks.reduce(withOptions, source);
  if (changed === source) return false;
  const job = await read(changed);
  for (const learned of tasks) if (!hasOptions(job, learned)) throw notFound(learned);
  try {
    await writeFile(path, changed);
  } catch (thrown) {
    throw DriverError.from(thrown, "JOB_INVALID", "the job file cannot be written");
  }
  return true;
}

function withOptions(source: string, learned: LearnedTask): string {
  const { group, task, unveil, identityFiles, ports } = learned;
  const inTask: BlockNames[] = [["task", task.name], ["config"]];
  // A task may stand directly below the job.
  for (const around of [
    [
      ["job", undefined],
      ["group", group],
    ],
    [["job", undefined]],
  ]) {
    const block = [...around, ...inTask];
    let added = addToList(source, block, "unveil", unveil);
    if (added === undefined) continue;
    for (const [option, numbers] of Object.entries(ports))
      added = addToList(added, block, option, numbers) ?? added;
    return (identityFiles ? setAttribute(added, block, "identity_files", "true") : undefined) ?? added;
  }
  throw notFound(learned);
}

function hasOptions(job: Job, { group, task, unveil, identityFiles }: LearnedTask): boolean {
  const tasks: readonly Task[] = job.groups.find(({ name }) => name === group)?.tasks ?? [];
  const written = tasks.find(({ name }) => name === task.name);
  if (written === undefined) return false;
  const entries = entriesOf(written);
  return (
    unveil.every((entry) => entries.includes(entry)) &&
    (!identityFiles || written.config.identity_files === true)
  );
}

function notFound({ owner }: LearnedTask): DriverError {
  return new DriverError("JOB_INVALID", `the config of task ${owner} is not a block that can be changed`, {
    hint: "Add the printed options by hand",
  });
}
