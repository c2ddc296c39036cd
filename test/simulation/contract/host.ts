/** What the cases of the contract need of a host: the real one, or the simulated one. */
import type * as fs from "node:fs";
import type * as promises from "node:fs/promises";
import type { Socket } from "node:net";
import type * as libc from "../../../src/effects/kernel/libc.ts";

/** A process that does nothing until it is killed. */
export interface IdleProcess {
  readonly pid: number;
}

/** The host calls that the simulation replaces, and what the cases do beside them. */
export interface Host {
  readonly fs: Pick<
    typeof fs,
    | "closeSync"
    | "existsSync"
    | "fstatSync"
    | "mkdirSync"
    | "openSync"
    | "readdirSync"
    | "readFileSync"
    | "readlinkSync"
    | "readSync"
    | "realpathSync"
    | "renameSync"
    | "rmSync"
    | "statfsSync"
    | "statSync"
    | "watch"
    | "writeSync"
  >;
  readonly promises: Pick<typeof promises, "rmdir" | "writeFile">;
  readonly libc: Pick<
    typeof libc,
    "getxattr" | "mkfifo" | "pidfdOpen" | "pidfdSendSignal" | "pipe2" | "setxattr"
  >;
  readonly Socket: typeof Socket;
  /** An empty folder. */
  readonly folder: string;
  /** An empty cgroup. */
  readonly cgroup: string;
  /** Makes a file as a task's init does. */
  makeFile(path: string): void;
  makeCgroup(path: string): void;
  /**
   * Starts a process in a cgroup.
   * @param holds a FIFO that it has open for writing, at descriptor 9
   */
  start(cgroup: string, holds?: string): Promise<IdleProcess>;
  /** Starts a process in a cgroup whose parent lives, and does not wait for it. */
  startUnreaped(cgroup: string): Promise<IdleProcess>;
  kill(process: IdleProcess): void;
  /** A pipe of which a process in a cgroup has the read end, and this process the write end. */
  pipeTo(cgroup: string): Promise<{ readonly write: number; readonly reader: IdleProcess }>;
  /** Lets time pass until the condition holds. */
  until(condition: () => boolean): Promise<void>;
  /** Lets time pass until the promise is settled. */
  settled<T>(promise: Promise<T>): Promise<T>;
}
