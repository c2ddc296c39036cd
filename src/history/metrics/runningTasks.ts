/** Metrics of running tasks: their usage and their limits. */

import { allocationOf, taskName } from "../../base/taskId.ts";
import type { IoCounters } from "../../effects/cgroup/cgroupFigures.ts";
import { limitedFolders } from "../../effects/disk/diskFill.ts";
import { type DiskUsage, usageOf } from "../../effects/disk/diskLimits.ts";
import type { ProjectUsage } from "../../effects/disk/projectQuota.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { logPlaces } from "../../effects/logs/logFiles.ts";
import {
  type OutputFigures,
  readOutputFigures,
  type StreamFigures,
} from "../../effects/logs/outputFigures.ts";
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { runFiles } from "../../effects/run/runFiles.ts";
import { type CgroupReading, readCgroup } from "../../effects/stats/readings.ts";
import { limitsOf, type TaskContext, type TaskLimits } from "../../machines/taskContext.ts";
import { counter, type Family, gauge, type Labels, type Sample } from "./exposition.ts";

/** A task that runs according to its events. */
export interface LiveTask {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly context: TaskContext;
}

interface TaskReading extends LiveTask {
  readonly reading: CgroupReading;
  readonly limits: TaskLimits;
  /** Undefined unless the driver writes the task's log files. */
  readonly output: OutputFigures | undefined;
  /** Undefined without a limit on its disk. */
  readonly disk: DiskUsage | undefined;
  /** Labels of all series of the task. */
  readonly labels: Labels;
  /** Further labels of its `exec2_task_info`. */
  readonly jobLabels: Labels;
}

/** Tasks beyond this number get no series of their own, because each task has some twenty series. */
const maxTasks = 1_000;

/** Tasks to read at a time: as many as libuv has threads. */
const batch = 4;

/** Reads the usage of tasks. Calls within a second share a reading. */
export class RunningTasksReader {
  #last: { readonly at: number; readonly families: Promise<Family[]> } | undefined;

  /** @param tasks the running tasks, oldest first */
  families(tasks: () => readonly LiveTask[]): Promise<Family[]> {
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > 1_000) {
      const running = tasks();
      const families = readTasks(running.slice(0, maxTasks)).then((readings) =>
        usageFamilies(running.length, readings),
      );
      this.#last = { at: now, families };
    }
    return this.#last.families;
  }
}

async function readTasks(tasks: readonly LiveTask[]): Promise<TaskReading[]> {
  const readings: TaskReading[] = [];
  for (let first = 0; first < tasks.length; first += batch) {
    const some = tasks.slice(first, first + batch).map(async (task) => {
      const { context } = task;
      const cgroup = cgroupOf(context);
      // A task whose files cannot be read is left out: it has probably just ended.
      const reading = cgroup === undefined ? undefined : await readCgroup(cgroup).catch(() => undefined);
      if (reading === undefined) return [];
      // Formats the labels per task, because formatting the labels of all tasks at once would block the event
      // loop for some milliseconds.
      const labels = { labels: labelsOf(task), jobLabels: jobLabelsOf(task) };
      return [
        {
          ...task,
          ...labels,
          reading,
          limits: limitsOf(context),
          output: outputOf(context),
          disk: diskOf(context),
        },
      ];
    });
    readings.push(...(await Promise.all(some)).flat());
  }
  return readings;
}

/**
 * The task's cgroup. Undefined if the task does not run on this host: its events are from another boot, or
 * its init is gone.
 */
function cgroupOf({ request, process }: TaskContext): string | undefined {
  if (request === null || process === null) return undefined;
  const runsHere = process.bootId === bootId() && isSameProcess(process.init);
  return runsHere ? request.resources.cgroup : undefined;
}

function outputOf({ request, sandbox }: TaskContext): OutputFigures | undefined {
  if (destinationOf(request).to !== "files" || sandbox === null) return undefined;
  try {
    return readOutputFigures(runFiles(sandbox.runFolder).logRecord, logPlaces(request));
  } catch {
    // The task has just ended, or has put something in place of its log folder.
    return undefined;
  }
}

/** What the task's folders have on disk, from their quotas. */
function diskOf({ request, sandbox }: TaskContext): DiskUsage | undefined {
  return request === null || sandbox?.disk === undefined
    ? undefined
    : usageOf(request.allocDir, sandbox.disk);
}

/** @param count number of running tasks, with a reading or without */
function usageFamilies(count: number, tasks: readonly TaskReading[]): Family[] {
  return [
    gauge("exec2_tasks_running", "Running tasks.", count),
    gauge("exec2_tasks_shown", "Running tasks that have their own series, at most 1000.", tasks.length),
    gauge(
      "exec2_task_info",
      "A running task, with the names of its job in labels; the value is always 1.",
      tasks.map(({ labels, jobLabels }) => ({ of: labels, labels: jobLabels, value: 1 })),
    ),
    ...taskMetrics.map(([make, name, help, ...figures]) => make(name, help, samplesOf(tasks, figures))),
  ];
}

/** A value of a task, and the labels of its sample. A task without the value has no such sample. */
type Figure = readonly [read: (task: TaskReading) => number | null | undefined, labels?: Labels];

function samplesOf(tasks: readonly TaskReading[], figures: readonly Figure[]): Iterable<Sample> {
  return {
    *[Symbol.iterator]() {
      for (const task of tasks) {
        for (const [read, labels] of figures) {
          const value = read(task);
          if (value !== null && value !== undefined) yield { of: task.labels, labels, value };
        }
      }
    },
  };
}

const resources = [{ resource: "cpu" }, { resource: "memory" }, { resource: "io" }] as const;

function pressures(kind: "someUs" | "fullUs"): Figure[] {
  return resources.map((labels) => [
    ({ reading }) => seconds(reading.pressure[labels.resource]?.[kind]),
    labels,
  ]);
}

/** @param keys of the counters of reading, and of writing */
function disks(reading: keyof IoCounters, writing: keyof IoCounters): Figure[] {
  return [
    [(task) => task.reading.io?.[reading], { direction: "read" }],
    [(task) => task.reading.io?.[writing], { direction: "write" }],
  ];
}

function folders(read: (usage: ProjectUsage) => number): Figure[] {
  return limitedFolders.map((each) => [({ disk }) => disk && read(disk[each]), { folders: each }]);
}

function streams(read: (figures: StreamFigures) => number): Figure[] {
  return (["stdout", "stderr"] as const).map((stream) => [
    ({ output }) => output && read(output[stream]),
    { stream },
  ]);
}

/** The metrics of each running task. */
const taskMetrics: readonly (readonly [
  make: typeof gauge | typeof counter,
  name: string,
  help: string,
  ...figures: Figure[],
])[] = [
  [
    gauge,
    "exec2_task_started_timestamp_seconds",
    "When the task's program began, in seconds since the epoch.",
    [({ context }) => (context.startedAt === null ? null : context.startedAt / 1000)],
  ],
  [
    counter,
    "exec2_task_cpu_seconds_total",
    "CPU time that the task's cgroup has used.",
    [({ reading }) => seconds(reading.cpu.userUs), { mode: "user" }],
    [({ reading }) => seconds(reading.cpu.systemUs), { mode: "system" }],
  ],
  [
    gauge,
    "exec2_task_cpu_reserved_hertz",
    "CPU that the job reserves for the task, unless it reserves cores.",
    [({ context }) => reservedHertz(context)],
  ],
  [
    gauge,
    "exec2_task_cpu_limit_cores",
    "Cores that the task may use at most.",
    [({ limits }) => limits.cores],
  ],
  [
    counter,
    "exec2_task_cpu_throttled_seconds_total",
    "Time in which the CPU limit throttled the task.",
    [({ reading }) => seconds(reading.cpu.throttled?.us)],
  ],
  [
    gauge,
    "exec2_task_memory_bytes",
    "Memory that counts against the limit.",
    [({ reading }) => reading.memoryBytes],
  ],
  [
    gauge,
    "exec2_task_memory_peak_bytes",
    "The most memory that the task's cgroup ever used.",
    [({ reading }) => reading.memoryPeakBytes],
  ],
  [
    gauge,
    "exec2_task_memory_reserved_bytes",
    "Memory that the job reserves for the task.",
    [({ context }) => reservedBytes(context)],
  ],
  [
    counter,
    "exec2_task_oom_kills_total",
    "Processes of the task that the kernel killed for lack of memory, and that it survived.",
    [({ context }) => context.oom?.kills ?? 0],
  ],
  [
    gauge,
    "exec2_task_memory_limit_bytes",
    "Memory that the task may use at most.",
    [({ limits }) => limits.memoryBytes],
  ],
  [gauge, "exec2_task_pids", "Processes and threads of the task.", [({ reading }) => reading.pids]],
  [
    gauge,
    "exec2_task_pids_limit",
    "Processes and threads that the task may have at most.",
    [({ limits }) => limits.pids],
  ],
  [
    gauge,
    "exec2_task_disk_bytes",
    "Disk that the task's own folders take, and the one that it shares with its allocation.",
    ...folders((usage) => usage.bytes),
  ],
  [
    gauge,
    "exec2_task_disk_limit_bytes",
    "Disk that these folders may take at most.",
    ...folders((usage) => usage.limitBytes),
  ],
  [
    counter,
    "exec2_task_io_bytes_total",
    "Bytes that the task's cgroup has read from disks and written to them.",
    ...disks("readBytes", "writtenBytes"),
  ],
  [
    counter,
    "exec2_task_io_operations_total",
    "Operations by which the task's cgroup has read from disks and written to them.",
    ...disks("reads", "writes"),
  ],
  [
    gauge,
    "exec2_task_io_limit_bytes_per_second",
    "Bytes that the task may read and write a second at most, on all its disks.",
    [({ limits }) => limits.readBytes, { direction: "read" }],
    [({ limits }) => limits.writtenBytes, { direction: "write" }],
  ],
  [
    counter,
    "exec2_task_pressure_waiting_seconds_total",
    "Time in which some of the task's processes waited for a resource.",
    ...pressures("someUs"),
  ],
  [
    counter,
    "exec2_task_pressure_stalled_seconds_total",
    "Time in which all of the task's processes waited for a resource.",
    ...pressures("fullUs"),
  ],
  [
    counter,
    "exec2_task_output_bytes_total",
    "Output in the log files that the driver writes.",
    ...streams((figures) => figures.bytes),
  ],
  [
    counter,
    "exec2_task_output_files_total",
    "Log files that the driver has begun for the task: the rotations.",
    ...streams((figures) => figures.files),
  ],
  [
    counter,
    "exec2_task_output_lost_bytes_total",
    "Output that could not be written to the log files.",
    ...streams((figures) => figures.lostBytes),
  ],
];

function reservedHertz({ request }: TaskContext): number | null {
  if (request === null || request.resources.cpusetCpus !== "") return null;
  return request.resources.cpuMhz > 0 ? request.resources.cpuMhz * 1e6 : null;
}

function reservedBytes({ request }: TaskContext): number | null {
  const memoryMb = request?.resources.memoryMb ?? 0;
  return memoryMb > 0 ? memoryMb * 2 ** 20 : null;
}

function labelsOf({ id }: LiveTask): Labels {
  return { alloc_id: allocationOf(id), task: taskName(id) };
}

/** Not `job`: Prometheus uses that label for the scrape, and would rename ours. */
function jobLabelsOf({ context: { request } }: LiveTask): Labels {
  const { jobId = "", groupName = "", namespace = "" } = request ?? {};
  return { nomad_job: jobId, nomad_group: groupName, nomad_namespace: namespace };
}

function seconds(us: number | undefined): number | undefined {
  return us === undefined ? undefined : us / 1e6;
}
