/**
 * The options of a task's `config { … }` block. One schema defines their types,
 * checks, hclspec and documentation.
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
  swapLimit,
  tcpPorts,
  text,
  ulimitBlocks,
  unveilEntry,
  wholeNumber,
} from "./fields.ts";
import { hclSpecOf } from "./hclSpec.ts";

/** Made at the first use, like what is derived from it: a plugin's start needs none of it. */
export const taskSchema = lazy(() =>
  z.object({
    command: text().min(1, "must not be empty").meta({
      description: "a path, or the name of a program that is looked for in the task's `PATH`",
      example: "python3",
    }),
    args: list(text())
      .default([])
      .meta({ description: "its arguments", example: ["-m", "http.server"] }),
    workDir: text().min(1, "must not be empty").optional().meta({
      description:
        "working directory of the command: an absolute path, or one relative to the task's folder, which is the default",
      example: "local/app",
    }),
    unveil: list(unveilEntry())
      .default([])
      .meta({
        description:
          "further paths for this task, see [unveil](#unveil); needs the plugin's `unveil_by_task`",
        example: ["r:/etc/mime.types"],
      }),
    capAdd: list(capabilityName())
      .default([])
      .meta({
        description:
          "capabilities of the task, from the plugin's `allow_caps`; programs that it runs keep them (ambient capabilities). Names with or without `CAP_`, in any case, or `all`",
        example: ["net_bind_service"],
      }),
    capDrop: list(capabilityName())
      .default([])
      .meta({
        description:
          'capabilities to remove from a task that runs as root, or from `cap_add = ["all"]`. With `["all"]` the task has only those of `cap_add`',
        example: ["all"],
      }),
    seccomp: text().optional().meta({
      description:
        "profile of the [system calls](#system-calls) that the task may make: `default`, `unconfined`, or one of the client's; the plugin's `seccomp` by default, another one if its `allow_seccomp` has it",
      example: "unconfined",
    }),
    seccompAllow: list(allowedCall())
      .default([])
      .meta({
        description:
          "system calls, and groups of them, that the profile refuses and the task may make; of the plugin's `allow_seccomp`",
        example: ["@io_uring", "userfaultfd"],
      }),
    seccompDeny: list(deniedCall())
      .default([])
      .meta({
        description: "further system calls, and groups of them, that are refused (EPERM)",
        example: ["ptrace", "process_vm_readv", "process_vm_writev"],
      }),
    groups: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description:
          "supplementary groups, by name or number; needs the plugin's `groups_by_task`. A task does not get the groups of its user in the host's group database",
        example: ["video", "2000"],
      }),
    umask: text()
      .regex(/^0?[0-7]{3}$/, "must be three octal digits in quotes, such as 027")
      .default("022")
      .meta({ description: "permissions that new files of the task do not get", example: "027" }),
    // Negative values are refused: with them a job could take CPU time from its neighbours and the agent.
    nice: wholeNumber()
      .refine(
        (nice) => nice >= 0 && nice <= 19,
        "must be from 0 to 19; a negative value would take CPU time from other tasks",
      )
      .default(0)
      .meta({
        description: "the higher, the lower the CPU priority of the task's processes",
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
        description:
          "0 to 1000: the higher, the earlier the kernel kills the task when memory runs out. Negative values are refused, since they would protect a job at its neighbours' cost",
        example: 500,
      }),
    ulimit: ulimitBlocks()
      .default([])
      .meta({
        description:
          "limits of the task's processes, see [ulimit](#ulimit); higher limits than the Nomad agent's own need the plugin's `allow_raised_ulimits`",
        example: [{ nofile: "2048:4096", core: "0" }],
      }),
    ipcMode: oneOf(["private", "host"]).default("private").meta({
      description:
        "`host`: System V IPC objects and POSIX message queues are the host's; needs the plugin's `allow_host_ipc`",
      example: "host",
    }),
    pidMode: oneOf(["private", "host"]).default("private").meta({
      description:
        "`host`: the task sees the host's processes, see [pid_mode](#pid_mode); needs the plugin's `allow_host_pid`, and Linux 6.12 or newer",
      example: "host",
    }),
    root: oneOf(["private", "host"]).optional().meta({
      description:
        "what the task sees at `/`, see [root](#root); the plugin's `root` by default. `host` needs the plugin's `allow_host_root`",
      example: "host",
    }),
    identityFiles: flag().optional().meta({
      description:
        "whether the task has an `/etc/passwd` and `/etc/group` with root, nobody and its own user, see [root](#root); the plugin's `identity_files` by default",
      example: true,
    }),
    shmSize: wholeNumber()
      .refine((size) => size >= 1 && size <= 1_048_576, "must be from 1 to 1048576")
      .default(64)
      .meta({
        description: "MiB of `/dev/shm`, which count as the task's memory where they are used",
        example: 256,
      }),
    pidsLimit: pidsLimit().optional().meta({
      description:
        "maximum number of processes and threads, including the run's init; by default, and at most, the plugin's `pids_limit`",
      example: 64,
    }),
    swapLimit: swapLimit().optional().meta({
      description:
        "maximum MiB of swap in addition to its memory, -1: no limit; by default, and at most, the plugin's `swap_limit`",
      example: 128,
    }),
    connectTcp: tcpPorts(1)
      .optional()
      .meta({
        description:
          "TCP ports that the task may connect to, see [TCP ports](#tcp-ports); by default, and at most, the plugin's `connect_tcp`",
        example: [5432],
      }),
    bindTcp: tcpPorts(0)
      .optional()
      .meta({
        description:
          "TCP ports that the task may bind, 0 for any free port; by default, and at most, the plugin's `bind_tcp`",
        example: [8080],
      }),
    extraHosts: list(hostEntry())
      .default([])
      .meta({
        description: "further entries of the task's hosts file, `NAME:ADDRESS` each, see [names](#names)",
        example: ["db.internal:192.0.2.5"],
      }),
    cpuHardLimit: flag().default(true).meta({
      description:
        "`false`: the task may use idle CPU time beyond its `cpu`, which is then only its share of busy cores. No effect on a task with `cores`",
      example: false,
    }),
  }),
);

export type TaskOptions = Readonly<z.output<ReturnType<typeof taskSchema>>>;

/** The values of all options that a task does not set. The command is empty. */
export const defaultTaskOptions = lazy(
  (): TaskOptions => ({ ...taskSchema().parse({ command: "?" }), command: "" }),
);

export const taskOptionsSpec = lazy(() => hclSpecOf(taskSchema()));
