/** Events of every type, with plausible data that a test can override. Also complete histories of tasks. */
import type { EventData, EventType, TaskEvent } from "../../../src/machines/events.ts";

const samples: { readonly [T in EventType]: EventData<T> } = {
  requested: {
    taskName: "web",
    allocId: "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20",
    groupName: "site",
    allocIndex: 0,
    jobId: "shop",
    jobName: "shop",
    namespace: "default",
    nodeName: "node-1",
    options: {
      command: "python3",
      args: ["-m", "http.server"],
      unveil: ["r:/etc/mime.types"],
      connect_tcp: [5432],
    },
    user: "nomad-80001",
    envKeys: ["NOMAD_TASK_DIR", "PATH"],
    envDigest: "00ff",
    resources: {
      cpuMhz: 100,
      memoryMb: 64,
      memoryMaxMb: 0,
      cpusetCpus: "",
      cgroup: "/sys/fs/cgroup/x.scope",
    },
    network: { mode: "host", path: "", self: null },
    mounts: [{ source: "/srv/shop", target: "/data", readOnly: true, propagation: "private" }],
    devices: [],
    allocDir: "/var/lib/nomad/alloc/6f2d4a9e",
    stdoutPath: "/var/lib/nomad/alloc/6f2d4a9e/alloc/logs/.web.stdout.fifo",
    stderrPath: "/var/lib/nomad/alloc/6f2d4a9e/alloc/logs/.web.stderr.fifo",
    logBounds: { maxFiles: 10, maxFileBytes: 10_485_760 },
    journal: null,
    plugin: { pid: 100, version: "0.1.0" },
  },
  fingerprinted: {
    kernel: "6.12.0",
    arch: "x64",
    bootId: "b0",
    landlockAbi: 6,
    cgroupControllers: ["cpu", "memory"],
    mhzPerCore: 2445,
  },
  sandboxed: {
    command: "/usr/bin/python3",
    workDir: "/var/lib/nomad/alloc_mounts/web/local",
    user: "nomad-80001",
    uid: 80001,
    gid: 80001,
    groups: [],
    capabilities: null,
    resourceLimits: [{ resource: "RLIMIT_NOFILE", soft: 1024, hard: 524_288 }],
    umask: 0o022,
    nice: 0,
    seccomp: { profile: "default", allow: [], deny: [] },
    egress: {
      allowed: null,
      denied: ["169.254.169.254"],
      names: [{ name: "db.example.org", addresses: ["198.51.100.7"], problem: null }],
    },
    limits: [{ file: "memory.max", value: "67108864", applied: true }],
    unveiled: [{ path: "/usr/bin", mode: "rx", source: "default" }],
    skipped: [],
    root: "private",
    privateTmp: true,
    sharedTmpReason: null,
    unrecordedDenials: null,
    oomKills: 0,
    output: { stdout: { file: 0, bytes: 0 }, stderr: { file: 0, bytes: 0 } },
    runFolder: "/var/lib/nomad-driver-exec2/run/web",
    runCgroup: null,
    init: { pid: 4711, startTicks: 1000 },
    plan: ["unshare namespaces"],
  },
  started: { init: { pid: 200, startTicks: 5000 }, task: { pid: 201, startTicks: 5000 }, bootId: "b0" },
  startFailed: {
    code: "LAUNCH_FAILED",
    message: "execve",
    summary: "execve",
    failed: null,
    hint: null,
    recoverable: false,
  },
  signalled: { signal: 15, delivered: true },
  execStarted: {
    exec: 1,
    command: "/bin/sh",
    user: "nomad-80001",
    terminal: true,
    process: { pid: 210, startTicks: 6000 },
  },
  execExited: { exec: 1, exitCode: 0, signal: 0, reason: "ended" },
  operated: { act: "copyOut", what: "/local/core.7", by: "alice" },
  execsRepeated: {
    since: 1_700_000_000_000,
    repetitions: [
      { command: "/bin/sh", user: "nomad-80001", exitCode: 0, signal: 0, reason: "ended", count: 1204 },
    ],
    more: 0,
  },
  stopRequested: { signal: 2, timeoutMs: 5000 },
  stopCommandEnded: { reason: "ended", end: { exitCode: 0, signal: 0 }, error: null, limitMs: 4000 },
  stopTimedOut: { timeoutMs: 5000 },
  destroyRequested: { force: true },
  forceKilled: {
    reason: "stopTimedOut",
    delivered: true,
    waits: {
      threads: [
        {
          ...{ pid: 201, thread: 201, program: "python3", state: "S", call: "futex" },
          ...{ wait: "futex_wait_queue", stack: [] },
        },
      ],
      more: 0,
    },
  },
  denied: {
    refusals: [
      {
        blockers: ["fs.read_file"],
        object: "/etc/passwd",
        program: "/usr/bin/grep",
        pid: 202,
        firstAt: 1_700_000_000_012,
        count: 2,
      },
    ],
    others: 0,
    lost: 0,
    domains: ["1ae3dc4d8"],
  },
  egressChanged: {
    allowed: ["10.0.0.0/8:5432", "db.example.org:443"],
    added: ["db.example.org:443"],
    removed: ["192.0.2.7"],
    names: [{ name: "db.example.org", addresses: ["198.51.100.9"], problem: null }],
    by: "root",
    reason: "ticket 4711",
  },
  namesResolved: { names: [{ name: "db.example.org", addresses: ["198.51.100.9"], problem: null }] },
  outputLost: { stdout: 4096, stderr: 0, errno: "ENOSPC" },
  loggerReplaced: { logger: { pid: 4713, startTicks: 9000 } },
  outputWaits: { waits: true },
  diskFilled: {
    ...{ folders: "own", percent: 90, unit: "bytes" },
    ...{ used: 285_212_672, limit: 314_572_800 },
  },
  observed: {
    ...{ since: 1_760_000_000_000, fromStart: true, isLast: true },
    paths: ["r:/etc/mime.types", "rx:/usr/bin/sleep"],
    connects: ["tcp:192.0.2.7:443"],
    binds: ["tcp:8080"],
    ports: ["tcp:443"],
    capabilities: [],
    links: [],
    ...{ memoryBytes: 4_194_304, processes: 2 },
    ...{ lost: 0, missed: 0, seesCapabilities: true },
  },
  wouldDeny: {
    ...{ candidate: "/etc/nomad.d/stricter.nomad.hcl", digest: "0123456789abcdef" },
    ...{ refused: ["r:/srv/shop"], others: 0, unclear: [] },
  },
  oomSeen: { kills: 1, limitBytes: 67_108_864, peakBytes: 67_108_864 },
  stalled: {
    ...{ resource: "memory", kind: "full", stallMs: 150, windowMs: 1_000 },
    ...{ waitedMs: 420, spanMs: 60_000 },
  },
  exited: {
    exitCode: 0,
    signal: 0,
    oomKilled: false,
    oom: null,
    endedAt: 1_700_000_001_000,
    source: "status",
    cause: null,
    output: { stdout: { file: 0, bytes: 120 }, stderr: { file: 0, bytes: 0 }, complete: true },
  },
  adopted: {
    handle: { pid: 300, startedAt: 1_699_999_000_000 },
    found: {
      init: { pid: 301, startTicks: 4000 },
      task: { pid: 302, startTicks: 4001 },
      uid: 80001,
      gid: 80001,
      bootId: "b0",
    },
    oomKills: 0,
    runFolder: "/var/lib/nomad-driver-exec2/run/web",
    plugin: { pid: 101, version: "0.1.0" },
  },
  recovered: { plugin: { pid: 101, version: "0.1.0" }, found: "running" },
  lost: { reason: "the host was rebooted" },
  destroyed: {},
};

/** Plausible data of an event of the given type. */
export function sampleData<T extends EventType>(type: T): EventData<T> {
  return samples[type];
}

/** The id of a task's run: a different one for each number. */
export function numberedId(number: number): string {
  return `6f2d4a9e-0c57-4d2b-8f1e-${number.toString(16).padStart(12, "0")}/web/0123abcd`;
}

let clock = 1_700_000_000_000;

/** An event of the given type, a millisecond after the previous event. A task ends about a second later. */
export function event<T extends EventType>(type: T, data: Partial<EventData<T>> = {}): TaskEvent {
  clock += 1;
  const dated = type === "exited" ? { endedAt: clock + 995 } : {};
  return { type, time: clock, data: { ...samples[type], ...dated, ...data } } as TaskEvent;
}

/** A request whose options, by their names in job files, differ from the sample's. */
export function requestWith(options: object): TaskEvent {
  return event("requested", { options: { ...samples.requested.options, ...options } });
}

/** A cause that a witness has named. */
export const portInUse = {
  grade: "witnessed",
  kind: "port_in_use",
  text: "port 80 is already in use",
  line: null,
} as const;

export const eventTypes = Object.keys(samples) as EventType[];

const begun = ["requested", "fingerprinted", "sandboxed", "started"] as const;

const types = {
  ended: [...begun, "exited", "destroyed"],
  stopped: [...begun, "stopRequested", "signalled", "exited", "destroyed"],
  killed: [...begun, "stopRequested", "signalled", "stopTimedOut", "forceKilled", "exited", "destroyed"],
  failed: ["requested", "fingerprinted", "startFailed", "destroyed"],
  recovered: [...begun, "recovered", "recovered", "exited", "destroyed"],
  lost: [...begun, "lost", "destroyed"],
} as const satisfies Record<string, readonly EventType[]>;

export type Life = keyof typeof types;
export const allLives = Object.keys(types) as Life[];

/** The events of a complete history. */
export function life(name: Life): TaskEvent[] {
  return types[name].map((type) => event(type));
}
