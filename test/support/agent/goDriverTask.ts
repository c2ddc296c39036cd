/**
 * A task as HashiCorp's Go driver starts it. `unshare` runs in the task's cgroup as leader of a process
 * group. Its shim is PID 1 of a pid namespace, waits for the command and writes the exit code to the task's
 * folder. Needs root.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { Packr } from "msgpackr";
import { type TaskConfig, type TaskHandle, TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { eventually } from "../host/eventually.ts";
import type { Allocation } from "./allocation.ts";

/** What a plugin of the Go driver leaves behind when it ends. */
export interface GoDriverTask {
  readonly config: TaskConfig;
  readonly startedAt: number;
  /** Pid of the task's outermost process. */
  readonly pid: number;
  /** Resolves once that process has ended. */
  readonly ended: Promise<unknown>;
  handle(differing?: GoDriverState): TaskHandle;
}

export interface GoDriverState {
  readonly pid?: number;
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
  readonly taskId?: string;
}

/** A value of the task's environment that must not appear anywhere else. */
export const goDriverSecret = "marker-3f9c1d";

/**
 * Whether the kernel tells processes other than the parent how a process ended, as it does since Linux 6.15.
 */
export const kernelReportsExitStatus = kernelIsAtLeast(6, 15);

export async function startAsGoDriver(allocation: Allocation, script: string): Promise<GoDriverTask> {
  const config = allocation.config(script, { env: { SECRET: goDriverSecret } });
  const { taskFolder, cgroup, user, stdout, stderr } = allocation;
  writeFileSync(`${taskFolder}/exec2-shim`, shim);
  const unshare = ["unshare", "--ipc", "--pid", "--mount-proc", "--fork", "--kill-child=SIGKILL", "--"];
  const command = ["sh", "exec2-shim", `${taskFolder}/local/.exit_status.txt`, String(user.uid), script];
  const output = [stdout, stderr].map((pipe) => {
    // With the Go driver, the client collects logs, too.
    pipe.start();
    return openSync(pipe.path, "w");
  });
  // The Go driver starts its child in the cgroup. Here a shell moves itself there, and then executes the
  // program.
  const enter = `echo $$ > ${cgroup.path}/cgroup.procs; exec "$@"`;
  const child: ChildProcess = spawn("sh", ["-c", enter, "enter", ...unshare, ...command], {
    stdio: ["ignore", ...output],
    detached: true,
    cwd: taskFolder,
    env: Object.fromEntries(config.env),
  });
  for (const descriptor of output) closeSync(descriptor);
  const ended = once(child, "exit");
  await once(child, "spawn");
  const { pid = 0 } = child;
  await eventually(() => {
    if (allocation.cgroup.processes().length < 3) throw new Error("the task is not up yet");
  });
  const startedAt = Date.now();
  const handle = (differing: GoDriverState = {}) =>
    goDriverHandle(config, { pid, startedAt, taskId: config.id, ...differing });
  return { config, startedAt, pid, ended, handle };
}

/** The Go driver's handle of a task. Its config also contains the environment. */
export function goDriverHandle(
  config: TaskConfig,
  { pid, startedAt, taskId }: Required<GoDriverState>,
): TaskHandle {
  const taskConfig = { AllocID: config.allocId, Env: Object.fromEntries(config.env), ID: taskId };
  const driverState = Buffer.concat([
    Buffer.from([0x83]),
    packr.pack("PID"),
    packr.pack(pid),
    packr.pack("StartedAt"),
    goTime(startedAt),
    packr.pack("TaskConfig"),
    packr.pack(taskConfig),
  ]);
  const withoutOptions = { ...config, msgpackDriverConfig: Buffer.alloc(0) };
  return { version: 1, config: withoutOptions, state: TaskState.RUNNING, driverState };
}

/** Go's `time.Time.MarshalBinary`, encoded as a MessagePack string. */
function goTime(ms: number): Buffer {
  const time = Buffer.alloc(16);
  time.writeUInt8(0xaf, 0);
  time.writeUInt8(1, 1);
  time.writeBigInt64BE(BigInt(Math.floor(ms / 1000) + 62_135_596_800), 2);
  time.writeInt32BE((ms % 1000) * 1e6, 10);
  return time;
}

const packr = new Packr({ useRecords: false });

/** The Go driver's shim reports 255 for every signal that ended the command. */
const shim = `file=$1; uid=$2; script=$3
setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs -- sh -c "$script"
code=$?
[ "$code" -gt 128 ] && code=255
printf %s "$code" > "$file"
exit "$code"
`;

function kernelIsAtLeast(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release().split(".").map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}
