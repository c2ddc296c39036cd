/** Writes learned options to a job file, and keeps the file's comments and format. */
import { accessSync, chmodSync, chownSync, constants, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DriverError } from "../../../base/errors.ts";
import { entriesOf } from "../../../learn/policies.ts";
import type { Job, Task } from "../../../localAgent/jobspec/job.ts";
import type { JobFile } from "../../../localAgent/jobspec/jobFile.ts";
import { addToList, type BlockNames, setAttribute } from "../../../localAgent/jobspec/source/hclEdit.ts";
import { isJson } from "../../../localAgent/jobspec/syntax.ts";
import { replaceFile } from "../../../store/folder/files.ts";
import type { LearnedTask } from "./learnReport.ts";

/**
 * Checks whether learned options can be written to a job file. Called before learning, which takes a while.
 * @throws DriverError `CONFIG_INVALID` for standard input and for JSON, `JOB_INVALID` for a file that this
 *   user may not write
 */
export function requireWritableJobFile(path: string, file: JobFile): void {
  const why = path === "-" ? "standard input" : isJson(file) ? "a job file in JSON" : undefined;
  if (why !== undefined) {
    throw new DriverError("CONFIG_INVALID", `--write: nothing can be written to ${why}`, {
      hint: "Without --write the options are printed",
    });
  }
  requireWritable(path);
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
  replaceText(path, changed);
  return true;
}

function requireWritable(path: string): void {
  try {
    accessSync(path, constants.W_OK);
    accessSync(dirname(realpathSync(path)), constants.W_OK);
  } catch (thrown) {
    throw notWritten(thrown);
  }
}

function replaceText(path: string, text: string): void {
  try {
    const target = realpathSync(path);
    const { mode, uid, gid } = statSync(target);
    replaceFile(target, (unfinished) => {
      writeFileSync(unfinished, text, { flag: "wx", flush: true });
      chownSync(unfinished, uid, gid);
      chmodSync(unfinished, mode & 0o7777);
    });
  } catch (thrown) {
    throw notWritten(thrown);
  }
}

function notWritten(thrown: unknown): DriverError {
  return DriverError.from(thrown, "JOB_INVALID", "the job file cannot be written");
}

function withOptions(source: string, learned: LearnedTask): string {
  const { group, task, unveil, identityFiles, lists } = learned;
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
    for (const [option, items] of Object.entries(lists))
      added = addToList(added, block, option, items) ?? added;
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

function notFound({ label }: LearnedTask): DriverError {
  return new DriverError("JOB_INVALID", `the config of task ${label} is not a block that can be changed`, {
    hint: "Add the printed options by hand",
  });
}
