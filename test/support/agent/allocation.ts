/** What an agent prepares for every driver: folders, a cgroup, and the names of log pipes. Needs root. */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";
import type { Resources, TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { encodeMsgpack } from "../../../src/grpc/options.ts";
import { PipeReader } from "../host/pipeReader.ts";
import { persistentFolders } from "../host/temporaryFolder.ts";
import { TestCgroup } from "../host/testCgroup.ts";
import { taskConfig } from "./requests.ts";

/** A shell script, or the task's options as in a job. */
export type Command = string | Readonly<Record<string, unknown>>;

/** Changes to the config that an agent would send. `env` is added to the agent's environment. */
export type Differing = Partial<Omit<TaskConfig, "env">> & {
  readonly env?: Readonly<Record<string, string>>;
};

/** A task with `logs { disabled = true }`. */
export const noCollector: Differing = { stdoutPath: "/dev/null", stderrPath: "/dev/null" };

export interface AllocationOptions {
  readonly id?: string;
  readonly taskName?: string;
  /** A dynamic user, `nomad-<n>`, or a user of the host. */
  readonly user?: { readonly name: string; readonly uid: number; readonly gid: number };
  /** The parent of the task's cgroup, below the mount. */
  readonly slice?: string;
  /** The agent's data folder. */
  readonly dataDir?: string;
}

/** An allocation with one task, for the duration of the test. Afterwards all its processes are killed. */
export function makeAllocation(options?: AllocationOptions): Allocation {
  const allocation = new Allocation(options);
  onTestFinished(() => allocation.remove());
  return allocation;
}

export class Allocation {
  readonly id: string;
  readonly taskName: string;
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number };
  /** The allocation's private folder. */
  readonly folder: string;
  /** Holds the task's `local`, `secrets` and `tmp`. */
  readonly taskFolder: string;
  readonly cgroup: TestCgroup;
  readonly stdout: PipeReader;
  readonly stderr: PipeReader;
  readonly #gates: number[] = [];

  constructor(options: AllocationOptions = {}) {
    const {
      id = randomUUID(),
      taskName = "main",
      user = dynamicUser(),
      slice = ".",
      dataDir = commonDataDir(),
    } = options;
    this.id = id;
    this.taskName = taskName;
    this.user = user;
    this.folder = `${dataDir}/alloc/${id}`;
    this.taskFolder = `${this.folder}/${taskName}`;
    makeFolders(this);
    this.cgroup = new TestCgroup(join(slice, `exec2-test-${id}.${taskName}.scope`));
    this.stdout = new PipeReader(`${this.folder}/alloc/logs/.${taskName}.stdout.fifo`);
    this.stderr = new PipeReader(`${this.folder}/alloc/logs/.${taskName}.stderr.fifo`);
  }

  /** The environment that an agent gives the task. */
  get env(): Readonly<Record<string, string>> {
    return {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/",
      NOMAD_ALLOC_DIR: `${this.folder}/alloc`,
      NOMAD_TASK_DIR: `${this.taskFolder}/local`,
      NOMAD_SECRETS_DIR: `${this.taskFolder}/secrets`,
      NOMAD_ALLOC_ID: this.id,
      NOMAD_TASK_NAME: this.taskName,
      NOMAD_CPU_CORES: " ",
    };
  }

  /** The config of a run of the task. Every call uses a new id, as agents do. */
  config(command: Command, { env = {}, ...differing }: Differing = {}): TaskConfig {
    const options = typeof command === "string" ? { command: "sh", args: ["-c", command] } : command;
    return taskConfig({
      id: `${this.id}/${this.taskName}/${randomBytes(4).toString("hex")}`,
      name: this.taskName,
      allocId: this.id,
      msgpackDriverConfig: encodeMsgpack(options),
      env: new Map(Object.entries({ ...this.env, ...env })),
      user: this.user.name,
      allocDir: this.folder,
      stdoutPath: this.stdout.path,
      stderrPath: this.stderr.path,
      resources: this.resources(),
      ...differing,
    });
  }

  resources(cgroup = this.cgroup.path, memoryMb = 40): Resources {
    return {
      allocatedResources: {
        cpu: { cpuShares: 50 },
        memory: { memoryMb, memoryMaxMb: 0 },
        networks: [],
      },
      linuxResources: {
        cpuPeriod: 0,
        cpuQuota: 0,
        cpuShares: 50,
        memoryLimitBytes: memoryMb << 20,
        oomScoreAdj: 0,
        cpusetCpus: "",
        cpusetCgroup: cgroup,
        PercentTicks: 0.00625,
      },
      ports: [],
    };
  }

  /**
   * Creates a pipe `local/gate` at which the task can wait: `read -r _ < $NOMAD_TASK_DIR/gate`.
   * @returns a function that lets one waiting process continue
   */
  gate(): () => void {
    const path = `${this.taskFolder}/local/gate`;
    mkfifo(path, 0o600);
    chownSync(path, this.user.uid, this.user.gid);
    // Opened for reading, too, because an open only for writing waits for a reader.
    const descriptor = openSync(path, constants.O_RDWR);
    this.#gates.push(descriptor);
    return () => writeSync(descriptor, "\n");
  }

  /** Kills all processes, and removes everything. */
  async remove(): Promise<void> {
    await this.cgroup.remove();
    for (const gate of this.#gates) closeSync(gate);
    await this.stdout.close();
    await this.stderr.close();
    // If the task's name is "..", its folders are outside the allocation's folder.
    for (const name of taskFolders) rmSync(`${this.taskFolder}/${name}`, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true });
    removeEmptyDataDir();
  }
}

let madeDataDir: string | undefined;

/** The agent's data folder, with all allocations of this process. */
function commonDataDir(): string {
  madeDataDir ??= mkdtempSync(`${persistentFolders}/exec2-test-`);
  return madeDataDir;
}

/** Vitest's workers are killed, so nothing can be removed when they exit. */
function removeEmptyDataDir(): void {
  if (madeDataDir === undefined || readdirSync(`${madeDataDir}/alloc`).length > 0) return;
  rmSync(madeDataDir, { recursive: true });
  madeDataDir = undefined;
}

const usedIds = new Set<number>();

/**
 * A user without an account on the host, whose id is in the agents' range of dynamic users. An agent gives each
 * task another one.
 */
function dynamicUser() {
  let id = randomInt(80_000, 90_000);
  while (usedIds.has(id)) id = randomInt(80_000, 90_000);
  usedIds.add(id);
  return { name: `nomad-${id}`, uid: id, gid: id };
}

function makeFolders({ folder, taskFolder, user }: Allocation): void {
  const base = folder.slice(0, folder.lastIndexOf("/alloc/"));
  for (const path of [base, `${base}/alloc`, folder]) makeFolder(path, 0o711);
  for (const name of ["", "/data", "/logs", "/tmp"]) makeFolder(`${folder}/alloc${name}`, 0o777);
  makeFolder(taskFolder, 0o710, user);
  for (const name of taskFolders)
    makeFolder(`${taskFolder}/${name}`, name === "secrets" ? 0o700 : 0o777, user);
}

/** The folders of a task in `taskFolder`. */
const taskFolders = ["local", "secrets", "tmp"];

/** The mode is set separately, because the umask removes bits from mkdir's mode. */
function makeFolder(path: string, mode: number, owner?: { uid: number; gid: number }): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}
