/**
 * The options of a task's `config { … }` block. One schema defines their types, checks, hclspec and
 * documentation. Pure.
 */
import { z } from "zod";
import { lazy } from "../../lazy.ts";
import {
  allowedCall,
  capabilityName,
  deniedCall,
  flag,
  hostEntry,
  list,
  oneOf,
  pidsLimit,
  ports,
  swapLimit,
  text,
  ulimitBlocks,
  unveilEntry,
  wholeNumber,
} from "./fields.ts";
import { hclSpecOf } from "./hclOptions.ts";

/**
 * This schema, and everything derived from it, is made at its first use: the start of a plugin does not need
 * it.
 */
export const taskSchema = lazy(() =>
  z.object({
    command: text().min(1, "must not be empty").meta({
      description: "a path, or the name of a program in the task's `PATH`",
      example: "python3",
    }),
    args: list(text())
      .default([])
      .meta({ description: "the command's arguments", example: ["-m", "http.server"] }),
    workDir: text().min(1, "must not be empty").optional().meta({
      description: "working directory: absolute, or relative to the task's folder, which is the default",
      example: "local/app",
    }),
    unveil: list(unveilEntry())
      .default([])
      .meta({
        description: "further paths ([unveil](#unveil)); needs the plugin's `unveil_by_task`",
        example: ["r:/etc/mime.types"],
      }),
    capAdd: list(capabilityName())
      .default([])
      .meta({
        description:
          "[capabilities](#capabilities) of the task and its programs, from the plugin's `allow_caps`; or `all`",
        example: ["net_bind_service"],
      }),
    capDrop: list(capabilityName())
      .default([])
      .meta({
        description:
          'capabilities to remove from a task of root, or from `cap_add = ["all"]`. With `["all"]` the task has only those of `cap_add`',
        example: ["all"],
      }),
    seccomp: text().optional().meta({
      description:
        "the profile of [system calls](#system-calls): `default`, `unconfined`, or one of the client's own. The default is the plugin's `seccomp`; other profiles have to be in `allow_seccomp`",
      example: "unconfined",
    }),
    seccompAllow: list(allowedCall())
      .default([])
      .meta({
        description:
          "calls and groups of calls that the task may make although the profile refuses them. They have to be in the plugin's `allow_seccomp`",
        example: ["@io_uring", "userfaultfd"],
      }),
    seccompDeny: list(deniedCall())
      .default([])
      .meta({
        description: "further calls and groups of calls that are refused (EPERM)",
        example: ["ptrace", "process_vm_readv", "process_vm_writev"],
      }),
    groups: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description:
          "supplementary groups, by name or number; needs the plugin's `groups_by_task`. The user's own supplementary groups on the host are not added",
        example: ["video", "2000"],
      }),
    umask: text()
      .regex(/^0?[0-7]{3}$/, "must be three octal digits in quotes, such as 027")
      .default("022")
      .meta({ description: "permissions that are removed from new files", example: "027" }),
    // Negative values are refused: with them a job could take CPU time from its neighbours and the agent.
    nice: wholeNumber()
      .refine(
        (nice) => nice >= 0 && nice <= 19,
        "must be from 0 to 19; a negative value would take CPU time from other tasks",
      )
      .default(0)
      .meta({
        description: "0 to 19; a higher value means a lower CPU priority",
        example: 10,
      }),
    // The kernel accepts -1000 to 1000: proc_pid_oom_score_adj(5).
    oomScoreAdj: wholeNumber()
      .refine(
        (score) => score >= 0 && score <= 1000,
        "must be from 0 to 1000; a task cannot be protected from the OOM killer at the cost of others",
      )
      .default(0)
      .meta({
        description: "0 to 1000; with a higher value, the kernel kills the task earlier when memory runs out",
        example: 500,
      }),
    ulimit: ulimitBlocks()
      .default([])
      .meta({
        description:
          "limits of each process ([ulimit](#ulimit)); limits above the agent's own need the plugin's `allow_raised_ulimits`",
        example: [{ nofile: "2048:4096", core: "0" }],
      }),
    ipcMode: oneOf(["private", "host"]).default("private").meta({
      description:
        "`host`: the task uses the host's System V IPC objects and POSIX message queues; needs the plugin's `allow_host_ipc`",
      example: "host",
    }),
    pidMode: oneOf(["private", "host"]).default("private").meta({
      description:
        "`host`: the task sees the host's processes ([pid_mode](#pid_mode)); needs the plugin's `allow_host_pid`, and Linux 6.12 or newer",
      example: "host",
    }),
    root: oneOf(["private", "host"]).optional().meta({
      description:
        "what the task sees at `/` ([root](#root)); by default the plugin's `root`. `host` needs the plugin's `allow_host_root`",
      example: "host",
    }),
    identityFiles: flag().optional().meta({
      description:
        "whether the task has its own `/etc/passwd` and `/etc/group` ([root](#root)); by default the plugin's `identity_files`",
      example: true,
    }),
    shmSize: wholeNumber()
      .refine((size) => size >= 1 && size <= 1_048_576, "must be from 1 to 1048576")
      .default(64)
      .meta({
        description: "size of `/dev/shm` in MiB; its contents count as the task's memory",
        example: 256,
      }),
    pidsLimit: pidsLimit().optional().meta({
      description:
        "maximum number of processes and threads, including the task's init. The plugin's option is the default and the maximum",
      example: 64,
    }),
    swapLimit: swapLimit().optional().meta({
      description:
        "maximum MiB of swap in addition to the task's memory; -1 means no limit. The plugin's option is the default and the maximum",
      example: 128,
    }),
    connectTcp: ports(1)
      .optional()
      .meta({
        description:
          "[TCP ports](#ports) that the task may connect to. The plugin's option limits them, and is the default",
        example: [5432],
      }),
    bindTcp: ports(0)
      .optional()
      .meta({
        description:
          "TCP ports that the task may bind. 0 means any free port. The plugin's option limits them, and is the default",
        example: [8080],
      }),
    connectUdp: ports(1)
      .optional()
      .meta({
        description:
          "UDP ports that the task may send to. The plugin's option limits them, and is the default. Needs Linux 7.2",
        example: [53],
      }),
    bindUdp: ports(0)
      .optional()
      .meta({
        description:
          "UDP ports that the task may bind. 0 means any free port. The plugin's option limits them, and is the default. Sending also binds a free port. Needs Linux 7.2",
        example: [0],
      }),
    extraHosts: list(hostEntry())
      .default([])
      .meta({
        description: "further entries of the task's hosts file ([names](#names)), `NAME:ADDRESS` each",
        example: ["db.internal:192.0.2.5"],
      }),
    cpuHardLimit: flag().default(true).meta({
      description: "`false`: the task may use idle CPU time beyond its `cpu`. No effect with `cores`",
      example: false,
    }),
  }),
);

export type TaskOptions = Readonly<z.output<ReturnType<typeof taskSchema>>>;

/** The default values of all options. The command is empty. */
export const defaultTaskOptions = lazy(
  (): TaskOptions => ({ ...taskSchema().parse({ command: "?" }), command: "" }),
);

export const taskOptionsSpec = lazy(() => hclSpecOf(taskSchema()));
