/**
 * The files of one run, in a folder that is root's alone: the task can neither
 * forge its exit status nor pretend to have ended.
 */
import { mkdirSync, rmSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";
import { mkfifo } from "../kernel/libc.ts";

export interface RunFiles {
  /** That they are in. */
  readonly folder: string;
  /** Where init records the task's raw wait status; of a run that was adopted, where its witness records what the kernel tells. */
  readonly status: string;
  /** Held open for writing by init as long as it lives. */
  readonly alive: string;
  /** A generated resolv.conf, where the job asks for one. */
  readonly resolvConf: string;
  /** A generated hosts file, where the allocation has a name or the job names hosts. */
  readonly hosts: string;
}

/** Where the files of a run are. */
export function runFiles(folder: string): RunFiles {
  return {
    folder,
    status: `${folder}/status`,
    alive: `${folder}/alive`,
    resolvConf: `${folder}/resolv.conf`,
    hosts: `${folder}/hosts`,
  };
}

/**
 * Makes the folder of a new run, with its alive FIFO. One that is there already was made for a start that
 * was never stored, so that nothing of it was let go on: it gives way.
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function makeRunFiles(folder: string): RunFiles {
  const files = runFiles(folder);
  try {
    makeFolder(folder);
    mkfifo(files.alive, 0o600);
    return files;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the folder of the task's run cannot be made");
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (thrown) {
    if (errnoOf(thrown) !== "EEXIST") throw thrown;
    rmSync(folder, { recursive: true });
    mkdirSync(folder, { mode: 0o700 });
  }
}
