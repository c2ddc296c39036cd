/** The job of one task that starts a recorded request again. Pure. */
import { DriverError } from "../../base/errors.ts";
import type { Group, Job, Task } from "../jobspec/job.ts";
import { mapTexts } from "../jobspec/resolve/interpolate.ts";
import { escapeLiteral } from "../jobspec/resolve/template.ts";

/** The run whose request is started again. */
interface RecordedPlace {
  readonly jobId: string;
  readonly groupName: string;
  readonly taskName: string;
  readonly allocDir: string;
  readonly allocId: string;
}

/** What of the request replaces what the job file has now. */
interface ScratchSetup {
  readonly options: Readonly<Record<string, unknown>>;
  /** Empty for a dynamic user. */
  readonly user: string;
  readonly resources: { readonly cpuMhz: number; readonly memoryMb: number; readonly memoryMaxMb: number };
  /** Of the job file's variables, the task gets only these. */
  readonly envKeys: readonly string[];
}

/**
 * @throws DriverError `PROOF_IMPOSSIBLE` if the job file does not have the task
 */
export function recordedTaskIn(
  job: Job,
  { jobId, groupName, taskName }: RecordedPlace,
): {
  readonly group: Group;
  readonly task: Task;
} {
  const group = job.groups.find(({ name }) => name === groupName);
  const task = group?.tasks.find(({ name }) => name === taskName);
  if (job.id === jobId && group !== undefined && task !== undefined) return { group, task };
  throw new DriverError(
    "PROOF_IMPOSSIBLE",
    `the job file has job ${job.id}, and not the run's task ${taskName} in group ${groupName} of job ${jobId}`,
    { hint: "Give the job file of the run" },
  );
}

/**
 * The job with one task alone, which starts at once. The task has folders of its own, and its volumes are read-only.
 * @param isPlain whether a recorded option is what a job file would have; others come from the file
 * @throws DriverError `PROOF_IMPOSSIBLE` if the job file lacks something that the record has not either
 */
export function scratchJob(
  job: Job,
  recorded: RecordedPlace,
  { options, user, resources, envKeys }: ScratchSetup,
  {
    network,
    isPlain,
  }: { readonly network: boolean; readonly isPlain: (name: string, value: unknown) => boolean },
): Job {
  const { group, task } = recordedTaskIn(job, recorded);
  const config = Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      isPlain(name, value) && !namesPorts(task.config[name])
        ? asTemplate(value, recorded)
        : ofFile(task, name),
    ]),
  );
  const { cpuMhz, memoryMb, memoryMaxMb } = resources;
  const alone: Task = {
    ...task,
    config,
    phase: "main",
    sidecar: false,
    leader: false,
    user: user === "" ? undefined : user,
    env: Object.fromEntries(Object.entries(task.env).filter(([name]) => envKeys.includes(name))),
    resources: {
      ...task.resources,
      memoryMb,
      memoryMaxMb: memoryMaxMb === 0 ? undefined : memoryMaxMb,
      ...(task.resources.cores === 0 && { cpuMhz }),
    },
    killTimeoutMs: Math.min(task.killTimeoutMs, maxKillTimeoutMs),
    volumeMounts: task.volumeMounts.map((mount) => ({ ...mount, readOnly: true })),
    checks: [],
  };
  const { network: own } = group;
  return {
    ...job,
    groups: [
      {
        ...group,
        count: 1,
        tasks: [alone],
        checks: [],
        upstreams: network ? group.upstreams : [],
        network: network ? own : { ...own, mode: "none", hostname: undefined, ports: own.ports.map(anyPort) },
      },
    ],
  };
}

/** A trial whose time is up is killed soon, however long its job would let it stop. */
const maxKillTimeoutMs = 2_000;

/** Without a network, a port need not be free on the host: the number is the task's own. */
function anyPort(port: Group["network"]["ports"][number]): typeof port {
  return { ...port, static: undefined };
}

/** Whether an option of the file depends on ports, which each allocation has of its own. */
function namesPorts(value: unknown): boolean {
  return /\$\{[^}]*NOMAD_(?:HOST_)?(?:PORT|ADDR|IP)/.test(JSON.stringify(value) ?? "");
}

function ofFile({ config, name: task }: Task, name: string): unknown {
  if (config[name] !== undefined) return config[name];
  throw new DriverError(
    "PROOF_IMPOSSIBLE",
    `the job file's task ${task} no longer has ${name}, with which the run was started`,
    {
      option: name,
      hint: "Give the job file of the run",
    },
  );
}

/** A recorded value as template text, with the folders of the new allocation. */
function asTemplate(value: unknown, { allocDir, allocId, taskName }: RecordedPlace): unknown {
  const folders = [
    [`${allocDir}/${taskName}/local`, "NOMAD_TASK_DIR"],
    [`${allocDir}/${taskName}/secrets`, "NOMAD_SECRETS_DIR"],
    [`${allocDir}/alloc`, "NOMAD_ALLOC_DIR"],
    [allocId, "NOMAD_ALLOC_ID"],
  ] as const;
  return mapTexts(value, (text) =>
    folders
      .filter(([word]) => word !== "")
      .reduce(
        (done, [word, name]) => done.replaceAll(escapeLiteral(word), `\${${name}}`),
        escapeLiteral(text),
      ),
  );
}
