/**
 * The files of one run, in a folder that only root can access. So the task can
 * neither forge its exit status nor pretend to have ended.
 */
import { mkdirSync, rmSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";
import { mkfifo } from "../kernel/libc.ts";

export interface RunFiles {
  /** The folder that holds the files. */
  readonly folder: string;
  /**
   * Here init records the task's raw wait status. For an adopted run, its witness records what the kernel
   * reports.
   */
  readonly status: string;
  /** FIFO that init holds open for writing until it exits. */
  readonly alive: string;
  /** A generated resolv.conf, if the job requests one. */
  readonly resolvConf: string;
  /** A generated hosts file, if the allocation has a host name or the job lists hosts. */
  readonly hosts: string;
  /** The task's own users and groups, with `identity_files`. */
  readonly passwd: string;
  readonly group: string;
}

/** Paths of a run's files. */
export function runFiles(folder: string): RunFiles {
  return {
    folder,
    status: `${folder}/status`,
    alive: `${folder}/alive`,
    resolvConf: `${folder}/resolv.conf`,
    hosts: `${folder}/hosts`,
    passwd: `${folder}/passwd`,
    group: `${folder}/group`,
  };
}

/**
 * Creates the folder of a new run, with its alive FIFO. An existing folder is replaced: it belongs to a start
 * that was never stored, so its init was never released.
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function makeRunFiles(folder: string): RunFiles {
  const files = runFiles(folder);
  try {
    makeFolder(folder);
    mkfifo(files.alive, 0o600);
    return files;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the folder of the task's run cannot be created");
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
