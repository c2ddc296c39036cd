/**
 * What a run's sandbox leaves open, by risk, from its recorded request and sandbox. What the operator's
 * exceptions open is said with their own words. Pure.
 */
import { type ExceptionKey, exceptions } from "../../effects/exceptions.ts";
import { portNames, portOptions } from "../../effects/network/ports.ts";
import { isSharedFolder } from "../../effects/unveil/pathRights.ts";
import type { UnveilSource } from "../../effects/unveil/unveil.ts";
import { showsHostTmp } from "../../machines/events/starting.ts";
import type { SandboxedRun } from "./may.ts";

export const risks = ["high", "medium", "low"] as const;
export type Risk = (typeof risks)[number];

export interface Opening {
  readonly risk: Risk;
  /** What is open, in a few words. */
  readonly what: string;
  /** What that means, as a sentence without its full stop. */
  readonly meaning: string;
}

export interface Exposure {
  /** The most serious first. */
  readonly open: readonly Opening[];
  /** What is closed, in a few words each. */
  readonly closed: readonly string[];
  /** The risk of the most serious opening; null if nothing is open. */
  readonly risk: Risk | null;
}

/** A look at one thing that may be open. It returns what is open, or the words for what is closed. */
type Look = (run: SandboxedRun) => readonly Opening[] | string;

export function exposureOf(run: SandboxedRun): Exposure {
  const results = looks.map((look) => look(run));
  const open = results
    .flatMap((result) => (typeof result === "string" ? [] : result))
    .toSorted((one, other) => risks.indexOf(one.risk) - risks.indexOf(other.risk));
  return {
    open,
    closed: results.filter((result) => typeof result === "string"),
    risk: open[0]?.risk ?? null,
  };
}

/** What an exception means, without the markup of docs/security.md. */
function meaningOf(key: ExceptionKey): string {
  return exceptions[key].meaning.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
}

const opening = (risk: Risk, what: string, meaning: string): Opening[] => [{ risk, what, meaning }];

/** Capabilities with which a task breaks out, or is as good as the host's root. */
const strongest: ReadonlySet<string> = new Set([
  ...["sys_admin", "sys_module", "sys_rawio", "sys_ptrace", "dac_read_search", "dac_override"],
  ...["bpf", "net_admin", "setuid", "setgid", "chown", "fowner", "mknod"],
]);

/** The look at what an option unveils for writing. */
function writable(unveiledBy: UnveilSource, option: string, key: ExceptionKey): Look {
  return ({ sandbox: { unveiled } }) =>
    unveiled
      .filter(({ mode, source }) => source.split(", ").includes(unveiledBy) && /[wc]/.test(mode))
      .map(({ mode, path }) => ({
        risk: isSharedFolder(path) ? "high" : "medium",
        what: `${option} ${mode}:${path}`,
        meaning: meaningOf(key),
      }));
}

const looks: readonly Look[] = [
  ({ sandbox: { root } }) =>
    root === "host"
      ? opening("high", 'root = "host"', meaningOf("allowHostRoot"))
      : "its own root, with only the unveiled paths",
  ({ sandbox: { uid } }) =>
    uid === 0 ? opening("high", "runs as root", meaningOf("allowRoot")) : `its own user (uid ${uid})`,
  ({ request, sandbox }) => {
    const added = list(request.options.cap_add).map((name) => name.toLowerCase());
    if (added.length === 0) return sandbox.uid === 0 ? [] : "no capabilities added";
    const risk = added.some((name) => name === "all" || strongest.has(name)) ? "high" : "medium";
    return opening(risk, `cap_add = ${JSON.stringify(added)}`, meaningOf("allowCaps"));
  },
  ({ sandbox: { seccomp } }) => {
    if (seccomp === null) {
      return opening("high", "no filter of system calls", "the kernel of the host has none");
    }
    if (seccomp.profile === "unconfined") {
      return opening("high", 'seccomp = "unconfined"', meaningOf("allowSeccomp"));
    }
    if (seccomp.allow.length > 0) {
      return opening("medium", `seccomp_allow = ${JSON.stringify(seccomp.allow)}`, meaningOf("allowSeccomp"));
    }
    return `a filter of system calls (profile ${seccomp.profile})`;
  },
  ({ sandbox: { runCgroup } }) =>
    runCgroup === null
      ? "its own processes"
      : opening("medium", 'pid_mode = "host"', meaningOf("allowHostPid")),
  ({ request: { options } }) =>
    options.ipc_mode === "host"
      ? opening("medium", 'ipc_mode = "host"', meaningOf("allowHostIpc"))
      : "its own IPC objects",
  writable("task", "unveil", "unveilByTask"),
  writable("plugin", "unveil_paths", "unveilPaths"),
  ({ sandbox: { unveiled } }) => {
    const added = unveiled.filter(({ source }) => /\b(?:task|plugin)\b/.test(source));
    const readOnly = added.filter(({ mode }) => !/[wc]/.test(mode));
    // Writable ones are openings of their own.
    if (readOnly.length === 0)
      return `no ${added.length > 0 ? "further " : ""}host path beyond the default ones`;
    const wide = readOnly.some(({ path }) => path === "/" || path.split("/").length <= 2);
    return opening(
      wide ? "medium" : "low",
      `unveil ${readOnly.map(({ mode, path }) => `${mode}:${path}`).join(", ")}`,
      "the task reads what its user may read there",
    );
  },
  ({ request, sandbox: { unveiled } }) => {
    const logs = `${request.allocDir}/alloc/logs`;
    const isOpen = unveiled.some(
      ({ path, mode }) => (path === logs || path.endsWith("/alloc/logs")) && /[wc]/.test(mode),
    );
    return isOpen
      ? opening("medium", "writable_logs", meaningOf("writableLogs"))
      : "logs that it cannot write";
  },
  ({ sandbox }) => {
    const { sharedTmpReason } = sandbox;
    if (sharedTmpReason === null) return "its own /tmp";
    if (!showsHostTmp(sandbox)) return "no /tmp";
    return opening("medium", "the host's /tmp", `it has no /tmp of its own: ${sharedTmpReason}`);
  },
  ({ request: { network } }) =>
    network.mode === "host"
      ? opening(
          "medium",
          "the host's network",
          "services on the host's loopback interface are within reach, as far as ports are not limited",
        )
      : `its own network (mode ${network.mode})`,
  ({ request: { network }, sandbox: { egress } }) => {
    if (egress?.allowed) {
      const { allowed } = egress;
      const wide = allowed.filter((entry) => /(?:^|[:[])(?:0\.0\.0\.0|::)\/0/.test(entry));
      if (wide.length > 0)
        return opening(
          "low",
          `egress ${wide.join(", ")}`,
          "the task connects to everybody, as far as ports are named",
        );
      return allowed.length === 0
        ? "connections to anything but loopback"
        : `connections beyond ${allowed.join(", ")}`;
    }
    if (network.mode === "none") return "no network to connect through";
    return opening(
      "low",
      "no egress",
      egress === null
        ? "the task connects to everything that its network reaches"
        : `the task connects to everything that its network reaches but ${egress.denied.join(", ")}`,
    );
  },
  ({ request: { options, network } }) => {
    const open = portOptions
      .map((option) => portNames[option])
      .filter((name) => !Array.isArray(options[name]));
    if (open.length === 0) return "limits on ports";
    return network.mode === "none"
      ? "no network to use ports in"
      : opening("low", `no ${open.join(", ")}`, "the task may use every such port");
  },
  ({ request: { mounts } }) => {
    const writable = mounts.filter(({ readOnly }) => !readOnly);
    if (writable.length === 0) return "no writable volumes";
    return opening(
      "low",
      `volumes ${writable.map(({ target }) => target).join(", ")}`,
      "what it writes there outlives it, and others may read it",
    );
  },
  ({ request: { devices } }) =>
    devices.length === 0
      ? "no devices"
      : opening(
          devices.some(({ write }) => write) ? "medium" : "low",
          `devices ${devices.map(({ target }) => target).join(", ")}`,
          "the task talks to drivers of the kernel",
        ),
  ({ request: { options } }) =>
    options.cgroup_delegate === true
      ? opening(
          "low",
          "cgroup_delegate",
          "the task makes cgroups and moves its processes among them, within the limits of its cgroup, whose files stay closed to it",
        )
      : "cgroups, which it cannot change",
  ({ sandbox: { limits } }) => {
    const missing = limits.filter(({ applied }) => !applied);
    return missing.length === 0
      ? "limits of its cgroup"
      : missing.map(({ file, reason }) => ({
          risk: "medium" as const,
          what: `no limit ${file}`,
          meaning: reason ?? "it could not be applied",
        }));
  },
];

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
