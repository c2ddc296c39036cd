/** `export`: writes histories as a bundle to standard output. */
import { DriverError } from "../../../base/errors.ts";
import { bundleLines } from "../../../history/replay/bundle/exportBundle.ts";
import { BundleSigner } from "../../../history/replay/bundle/signature.ts";
import type { FoundRun } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { hasFailed, printNote, writeTo } from "../../terminal/output.ts";

export interface ExportedTasks {
  /** Undefined means all tasks. */
  readonly names: readonly string[] | undefined;
  /** Number of runs to go back from the newest one. */
  readonly back: number | undefined;
}

export interface ExportOptions {
  /** Whether to mask possible secrets. */
  readonly mask: boolean;
  /** Path of the key to sign with; undefined: no signature. */
  readonly key: string | undefined;
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, also if no task is given; `STORE_FAILED` if there is no log, or a log
 *   cannot be read; `KEY_INVALID`. Damaged events are exported as such
 */
export async function exportTasks(
  stateDir: string,
  tasks: ExportedTasks,
  { mask, key }: ExportOptions,
): Promise<number> {
  const signer = key === undefined ? undefined : new BundleSigner(key);
  await using logs = await EventLogs.open(stateDir);
  for (const line of bundleLines(chosen(logs, tasks), { mask, now: Date.now() })) {
    if (hasFailed("stdout")) break;
    signer?.add(line);
    await writeTo("stdout", `${line}\n`);
  }
  if (signer !== undefined && !hasFailed("stdout")) await writeTo("stdout", `${signer.end()}\n`);
  return 0;
}

/** The runs with these names, without repetitions, in the order of the names. */
export function chosen(logs: EventLogs, { names, back }: ExportedTasks): readonly FoundRun[] {
  if (names === undefined) return logs.tasks();
  if (names.length === 0) {
    throw new DriverError("TASK_NOT_FOUND", "no task given", { hint: "Name tasks, or use --all" });
  }
  const found = names.map((name) => ({ name, ...logs.find({ name, back }) }));
  for (const { name, note } of found) if (note !== undefined) printNote(`${name}: ${note}`);
  return [...new Map(found.map(({ id, head, reader }) => [id, { id, head, reader }])).values()];
}
