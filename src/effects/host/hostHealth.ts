/** Derives the driver's health and its node attributes from the host's facts. Pure. */
import { allowsJournald } from "../logs/journal.ts";
import type { SandboxOptions } from "../parts.ts";
import type { HostFacts } from "./hostFacts.ts";

export interface HostJudgement {
  /**
   * As in Nomad's own drivers: `undetected` if the driver cannot work on this node
   * at all (not root, an unsupported architecture), `unhealthy` if something is
   * missing that the operator can fix. In both cases, Nomad places no tasks on the
   * node.
   */
  readonly health: "healthy" | "unhealthy" | "undetected";
  /** One line for `nomad node status`. */
  readonly description: string;
  /** Problems that prevent tasks come first. */
  readonly problems: readonly HostProblem[];
}

export interface HostProblem {
  readonly what: string;
  readonly consequence: string;
  readonly remedy: string;
}

/** Problems that the driver has found during its own work. The host's facts do not show them. */
export interface HostFindings {
  /** Paths of event logs that were damaged. */
  readonly quarantined?: readonly string[];
  /** Why tasks cannot have a root of their own. */
  readonly privateRootProblem?: string | undefined;
  /** Why denials are not recorded although the options request it. */
  readonly denialProblem?: string | undefined;
  /** Why the black box is not open although the options request it. */
  readonly blackBoxProblem?: string | undefined;
  /** Why the host cannot restrict where tasks connect, although the options request it. */
  readonly egressProblem?: string | undefined;
  /** Why journald takes no output, although the options send tasks' output there. */
  readonly journalProblem?: string | undefined;
  /** Mount points of file systems on which `disk_limit` can be enforced. */
  readonly limitedDisks?: readonly string[];
}

export function judgeHost(
  facts: HostFacts,
  {
    quarantined = [],
    privateRootProblem,
    denialProblem,
    blackBoxProblem,
    egressProblem,
    journalProblem,
  }: HostFindings = {},
): HostJudgement {
  const unsupported = unsupportedProblems(facts);
  const missing = [
    ...missingProblems(facts),
    ...(egressProblem === undefined ? [] : [noEgress(egressProblem)]),
    ...(journalProblem === undefined ? [] : [noJournal(journalProblem)]),
  ];
  const limiting = [
    ...limitingProblems(facts),
    ...(privateRootProblem === undefined ? [] : [noOwnRoot(privateRootProblem)]),
    ...(denialProblem === undefined ? [] : [noDenials(denialProblem)]),
    ...(blackBoxProblem === undefined ? [] : [noBlackBox(blackBoxProblem)]),
    ...quarantined.map(damagedLog),
  ];
  const problems = [...unsupported, ...missing, ...limiting];
  if (unsupported.length > 0) return { health: "undetected", description: describe(unsupported), problems };
  if (missing.length > 0) return { health: "unhealthy", description: describe(missing), problems };
  const description = limiting.length > 0 ? `Healthy, but ${describe(limiting)}` : "Healthy";
  return { health: "healthy", description, problems };
}

/** The node's attributes, `driver.exec2.…`, for job constraints; none if the driver is undetected. */
export function fingerprintAttributes(
  facts: HostFacts,
  options: SandboxOptions,
  version: string,
  {
    privateRootProblem,
    denialProblem,
    blackBoxProblem,
    egressProblem,
    journalProblem,
    limitedDisks = [],
  }: Omit<HostFindings, "quarantined"> = {},
): Readonly<Record<string, string | number | boolean>> {
  const { unveilDefaults, unveilByTask, unveilAllowed, root, blackBox } = options;
  if (unsupportedProblems(facts).length > 0) return {};
  return {
    "driver.exec2": true,
    "driver.exec2.version": version,
    "driver.exec2.unveil.defaults": unveilDefaults,
    "driver.exec2.unveil.tasks": unveilByTask || unveilAllowed.length > 0,
    "driver.exec2.root": privateRootProblem === undefined ? root : "host",
    "driver.exec2.denials": denialProblem === undefined,
    ...(denialProblem === undefined ? {} : { "driver.exec2.denials.problem": denialProblem }),
    "driver.exec2.black_box": blackBox === "on" && blackBoxProblem === undefined,
    ...(blackBox === "on" && blackBoxProblem !== undefined
      ? { "driver.exec2.black_box.problem": blackBoxProblem }
      : {}),
    "driver.exec2.egress": egressProblem === undefined,
    ...(egressProblem === undefined ? {} : { "driver.exec2.egress.problem": egressProblem }),
    "driver.exec2.journald": allowsJournald(options) && journalProblem === undefined,
    ...(journalProblem === undefined ? {} : { "driver.exec2.journald.problem": journalProblem }),
    // Jobs may ask whether it is set.
    ...(limitedDisks.length === 0 ? {} : { "driver.exec2.disk_limit": limitedDisks.join(",") }),
    "driver.exec2.landlock.abi": facts.landlockAbi,
    "driver.exec2.seccomp": facts.seccomp,
    "driver.exec2.io.weight": facts.ioWeights,
    "driver.exec2.pressure": facts.psi,
    // The constraint operator set_contains takes a list in this form.
    "driver.exec2.cgroup.controllers": facts.cgroupControllers.toSorted().join(","),
  };
}

function noOwnRoot(problem: string): HostProblem {
  return {
    what: `tasks cannot have a root of their own (${problem})`,
    consequence: "they see names and sizes of the host's files that are not unveiled",
    remedy: "Allow root to mount file systems and to call pivot_root(2), which fails while / is an initramfs",
  };
}

function noDenials(problem: string): HostProblem {
  return {
    what: `what the sandbox refuses is not recorded (${problem})`,
    consequence: "the verb why cannot name denials",
    remedy: 'Make sure that the kernel has audit and Landlock ABI 7, or set denials = "auto"',
  };
}

function noBlackBox(problem: string): HostProblem {
  return {
    what: `there is no black box (${problem})`,
    consequence: "causes of failures lack paths that a task did not find, and senders of signals",
    remedy:
      'Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF) and BPF at tracepoints (CONFIG_BPF_EVENTS), not locked down for confidentiality, or set black_box = "off"',
  };
}

function noEgress(problem: string): HostProblem {
  return {
    what: `the host cannot restrict where tasks connect (${problem})`,
    consequence: "no task starts with egress or egress_denied in the plugin's block",
    remedy: "Use a kernel with BPF in cgroups (CONFIG_CGROUP_BPF), or remove these options",
  };
}

function noJournal(problem: string): HostProblem {
  return {
    what: problem,
    consequence: 'no task starts with log_collection = "journald"',
    remedy: "Start systemd-journald, or choose another log_collection in the plugin's block",
  };
}

function damagedLog(path: string): HostProblem {
  return {
    what: `an event log was damaged and has been renamed to ${path}`,
    consequence: "only that log has the earlier history of tasks",
    remedy: "Find out what damaged the log, and whether anybody still needs it. Then remove it",
  };
}

function describe(problems: readonly HostProblem[]): string {
  return problems.map(({ what, consequence }) => `${what}: ${consequence}`).join("; ");
}

function unsupportedProblems({ root, arch }: HostFacts): HostProblem[] {
  const problems: HostProblem[] = [];
  if (!root) {
    problems.push({
      what: "the driver does not run as root",
      consequence: "it cannot start tasks",
      remedy: "Run the Nomad client as root",
    });
  }
  if (arch !== "x64" && arch !== "arm64") {
    problems.push({
      what: `the machine is neither x86-64 nor arm64 but ${arch}`,
      consequence: "tasks cannot be started on it",
      remedy: "Use another node",
    });
  }
  return problems;
}

function missingProblems(facts: HostFacts): HostProblem[] {
  const { cgroupMount, namespaces, kernel } = facts;
  const problems: HostProblem[] = [];
  if (facts.landlockAbi === 0) {
    problems.push({
      what: `the kernel (${kernel}) has no Landlock`,
      consequence: "nothing would keep tasks from the host's files",
      remedy: landlockRemedy(facts.securityModules),
    });
  }
  if (cgroupMount === undefined) {
    problems.push({
      what: "cgroup v2 is not mounted",
      consequence: "tasks could be neither limited nor measured",
      remedy: "Boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2 at /sys/fs/cgroup",
    });
  }
  for (const [kind, available] of Object.entries(namespaces)) {
    if (available) continue;
    problems.push({
      what: `there are no ${kind} namespaces`,
      consequence: "tasks could not be isolated from each other",
      remedy: `Use a kernel with ${kind} namespaces, and see that no user.max_…_namespaces sysctl is 0`,
    });
  }
  return problems;
}

/**
 * A list on the kernel's command line replaces the kernel's own, so it has to name what the host uses: a list without
 * `selinux` would turn SELinux off. The kernel always has `capability`, first:
 * https://docs.kernel.org/admin-guide/LSM/index.html
 */
function landlockRemedy(modules: HostFacts["securityModules"]): string {
  const boot = "Boot Linux 5.15 or newer with landlock in front of its security modules";
  if (modules === undefined) return `${boot}, which /sys/kernel/security/lsm lists (lsm=landlock,…)`;
  const own = modules.filter((name) => name !== "capability" && name !== "landlock");
  return `${boot}. Here this is lsm=${["landlock", ...own].join(",")} on the kernel's command line`;
}

/** What each cgroup controller limits. */
const limits = {
  memory: "memory",
  cpu: "CPU time",
  cpuset: "reserved cores",
  pids: "processes",
} as const;

function limitingProblems(facts: HostFacts): HostProblem[] {
  const problems: HostProblem[] = [];
  const absent = Object.entries(limits).filter(
    ([controller]) => !facts.cgroupControllers.includes(controller),
  );
  if (facts.cgroupMount !== undefined && absent.length > 0) {
    problems.push({
      what: `${facts.cgroupMount} lacks the cgroup controllers ${absent.map(([controller]) => controller).join(", ")}`,
      consequence: `not limited for tasks: ${absent.map(([, limited]) => limited).join(", ")}`,
      remedy: "Boot without cgroups v1 (systemd.unified_cgroup_hierarchy=1, cgroup_no_v1=all)",
    });
  }
  if (!facts.seccomp) {
    problems.push({
      what: "the kernel has no seccomp filters",
      consequence: "tasks may make every system call, and limits of ports can be bypassed",
      remedy: "Use a kernel with CONFIG_SECCOMP_FILTER, which all distributions set",
    });
  }
  if (!facts.memfdExecution) {
    problems.push({
      what: "programs cannot be run from memory files (vm.memfd_noexec is 2)",
      consequence: "tasks start only where the state folder is on a file system without noexec",
      remedy: "Set the sysctl vm.memfd_noexec to 1",
    });
  }
  if (!facts.mhzKnown) {
    problems.push({
      what: "the speed of the cores is unknown",
      consequence: `a job's MHz are converted at ${facts.mhzPerCore} MHz per core`,
      remedy: "Set cpu_total_compute in the Nomad client's configuration",
    });
  }
  return problems;
}
