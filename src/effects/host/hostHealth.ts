/** Derives the driver's health and its node attributes from the host's facts. Pure. */
import { isArchitecture } from "../kernel/systemCalls.ts";
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

/** What was found out about an {@link NodeOffer}. */
export interface Finding {
  /** Why the node does not have it, as a part of a sentence; undefined if it has it. */
  readonly problem?: string | undefined;
  /** Where the node has it, if it does not have it everywhere. */
  readonly places?: readonly string[];
}

/** Something that a node has for tasks, if its host can. */
export interface NodeOffer {
  /** The node's attributes, without their prefix `driver.exec2.`; those that are undefined are left out. */
  readonly attributes: (finding: Finding, options: SandboxOptions) => Attributes;
  /** Its lack. Absent if only tasks that ask for it need it. */
  readonly lack?: {
    /** Whether a node with these options is to have it. */
    readonly counts: (options: SandboxOptions) => boolean;
    /** Whether no task can start then. */
    readonly isVital: boolean;
    readonly means: (problem: string) => HostProblem;
  };
  /** The line of the verb `doctor`; absent for what the host does not decide. */
  readonly check?: {
    readonly name: string;
    /** Whether only root can find it out. */
    readonly needsRoot?: boolean;
    readonly found: (finding: Finding) => string;
    readonly serves: string;
  };
}

export interface FoundOffer {
  readonly offer: NodeOffer;
  /** Undefined if it was not looked for. */
  readonly finding: Finding | undefined;
}

/** What the host's facts do not show. */
export interface HostFindings {
  /** Paths of event logs that were damaged. */
  readonly quarantined?: readonly string[];
  readonly offers?: readonly FoundOffer[];
}

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export function judgeHost(
  facts: HostFacts,
  options: SandboxOptions,
  { quarantined = [], offers = [] }: HostFindings = {},
): HostJudgement {
  const lacks = (areVital: boolean) =>
    offers.flatMap(({ offer: { lack }, finding }) =>
      lack?.isVital === areVital && finding?.problem !== undefined && lack.counts(options)
        ? lack.means(finding.problem)
        : [],
    );
  const unsupported = unsupportedProblems(facts);
  const missing = [...missingProblems(facts), ...lacks(true)];
  const limiting = [...limitingProblems(facts), ...lacks(false), ...quarantined.map(damagedLog)];
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
  offers: readonly FoundOffer[] = [],
): Readonly<Record<string, string | number | boolean>> {
  const { unveilDefaults, unveilByTask, unveilAllowed } = options;
  if (unsupportedProblems(facts).length > 0) return {};
  const own: Attributes = {
    version,
    "unveil.defaults": unveilDefaults,
    "unveil.tasks": unveilByTask || unveilAllowed.length > 0,
    "landlock.abi": facts.landlockAbi,
    seccomp: facts.seccomp,
    "io.weight": facts.ioWeights,
    pressure: facts.psi,
    // The constraint operator set_contains takes a list in this form.
    "cgroup.controllers": facts.cgroupControllers.toSorted().join(","),
  };
  const all = [own, ...offers.map(({ offer, finding }) => offer.attributes(finding ?? {}, options))];
  const named = all.flatMap(Object.entries<Attributes[string]>);
  return {
    "driver.exec2": true,
    ...Object.fromEntries(
      named.flatMap(([name, value]) => (value === undefined ? [] : [[`driver.exec2.${name}`, value]])),
    ),
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
  if (!isArchitecture(arch)) {
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
  if (facts.missingCalls.length > 0) {
    problems.push({
      what: `there are no system calls ${facts.missingCalls.join(", ")}`,
      consequence: "tasks cannot be started, or not be stopped",
      remedy:
        "Use Linux 5.15 or newer. If this is one, a filter of system calls around the Nomad client hides them",
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
