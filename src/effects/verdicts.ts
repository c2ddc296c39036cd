/**
 * What would allow a task what the sandbox has denied it. Every part of the sandbox is asked, because several
 * may refuse the same access. Pure.
 */

import { type Setting, settingLine } from "../base/setting.ts";
import type { Denial, Verdict } from "./denial.ts";
import { type EgressAllowance, egressVerdict } from "./egress/egressDenial.ts";
import { capabilityName, capabilityNumbers } from "./kernel/capabilities.ts";
import { systemCallNames } from "./kernel/systemCalls.ts";
import { landlockVerdict, type OwnPlaces, unveilVerdict } from "./landlock/denial.ts";
import { isPathProbe } from "./landlock/probes.ts";
import { portOptions } from "./network/ports.ts";
import type { SandboxOptions, TaskOptions } from "./parts.ts";
import { type DiskLimited, diskVerdict } from "./seccomp/diskRestrictions.ts";
import { type NetworkLimits, portVerdict } from "./seccomp/portRestrictions.ts";
import { profileNames, seccompProfile } from "./seccomp/profileOptions.ts";
import {
  type FilterInput,
  filterVerdict,
  isAnsweredAsMissing,
  type SeccompProfile,
} from "./seccomp/taskFilter.ts";
import { isTaskFolder } from "./unveil/unveil.ts";
import { wantedCapabilities } from "./users/capabilityOptions.ts";

/** What a task may do, as far as it decides what is denied. */
export interface Allowance {
  /** Whether the task has the rights of an unveil entry, `MODE:PATH`. */
  readonly isUnveiled: (entry: string) => boolean;
  readonly own: OwnPlaces;
  readonly ports: NetworkLimits;
  readonly egress: EgressAllowance;
  readonly disk: DiskLimited;
  readonly filter: FilterInput;
  /** Names of the task's capabilities. */
  readonly capabilities: readonly string[];
  /** The task's option `cap_add`. */
  readonly capAdd: readonly string[];
}

/** The verdicts of all parts that refuse what was denied; none if a task with this allowance may do it. */
export function verdictsOn(denial: Denial, allowance: Allowance): Verdict[] {
  const { isUnveiled, own, ports, egress, disk, filter, capabilities } = allowance;
  const verdicts = [
    landlockVerdict(denial),
    unveilVerdict(denial, isUnveiled, own),
    portVerdict(denial, ports, allowance),
    egressVerdict(denial, egress),
    diskVerdict(denial, disk),
    filterVerdict(denial, filter, capabilities),
  ];
  return verdicts.filter((verdict) => verdict !== undefined);
}

/** The records of a task's request and sandbox that decide what is denied. */
export interface RecordedTask {
  readonly request: {
    /** Options have their names in job files. */
    readonly options: Readonly<Record<string, unknown>>;
    readonly allocId: string;
    readonly allocDir: string;
  } | null;
  readonly sandbox: {
    readonly seccomp: SeccompProfile | null;
    readonly capabilities: readonly string[] | null;
    readonly unveiled: readonly { readonly path: string; readonly source: string }[];
    readonly egress: {
      readonly allowed: readonly string[] | null;
      readonly denied: readonly string[];
    } | null;
  } | null;
  /** The names that the task may connect to. */
  readonly names: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly former: readonly { readonly address: string; readonly until: number }[];
  }[];
}

/**
 * Whether a refusal is a probe: something that programs try at their start and can do without. Probes are
 * neither recorded nor reported.
 */
export function isProbe(denial: Denial, task: RecordedTask): boolean {
  const { filter, own } = allowanceOf(task);
  return isPathProbe(denial, own.folders) || isAnsweredAsMissing(denial, filter);
}

/**
 * The verdicts of all parts that refuse something to a recorded task; none if it may do it.
 * @param isUnveiled whether the task has the rights of an unveil entry, `MODE:PATH`
 */
export function refusalsOf(
  denial: Denial,
  task: RecordedTask,
  isUnveiled: Allowance["isUnveiled"],
): Verdict[] {
  return verdictsOn(denial, { ...allowanceOf(task), isUnveiled });
}

/**
 * What would allow a task what it was denied, as a sentence without its full stop; empty if nothing would. It
 * has a line for the job file only if that line allows nothing else.
 */
export function adviceFor(denial: Denial, task: RecordedTask): string {
  const verdicts = verdictsOn(denial, allowanceOf(task));
  const reasons = verdicts.flatMap((verdict) => ("never" in verdict ? [verdict.never] : []));
  if (reasons.length > 0) return reasons.filter((reason) => reason !== "").join(". ");
  return verdicts
    .flatMap((verdict) => {
      if ("risk" in verdict) return [verdict.risk];
      if (!("settings" in verdict)) return [];
      const { settings, permission, extent } = verdict;
      const what = extent === undefined ? "To allow it" : `To allow it, ${extent}`;
      const lines = settings.map(settingLine).join(" and ");
      return [`${what}: ${lines}; on the client, this needs ${permission}`];
    })
    .join(". ");
}

/** A line for the job file, and what it allows besides what was denied. */
export type AdvisedSetting = Setting & { readonly extent?: string };

/**
 * The lines for the job file that allow what was denied and nothing else; none if there are none, or if they carry a
 * risk.
 */
export function settingsFor(denial: Denial, task: RecordedTask): AdvisedSetting[] {
  const verdicts = verdictsOn(denial, allowanceOf(task));
  if (!verdicts.every((verdict) => "settings" in verdict)) return [];
  return verdicts.flatMap(({ settings, extent }) =>
    settings.map((setting) => ({ ...setting, ...(extent !== undefined && { extent }) })),
  );
}

/** The allowance of a recorded task. What it was denied was not unveiled, so it counts as having no paths. */
function allowanceOf({ request, sandbox, names }: RecordedTask): Allowance {
  const options = request?.options ?? {};
  const list = (value: unknown) => (Array.isArray(value) ? value : undefined);
  return {
    isUnveiled: () => false,
    own: ownPlaces({ request, sandbox }),
    ports: {
      connectTcp: list(options.connect_tcp),
      bindTcp: list(options.bind_tcp),
      connectUdp: list(options.connect_udp),
      bindUdp: list(options.bind_udp),
      egress: list(options.egress),
    },
    egress: {
      egress: sandbox?.egress?.allowed ?? undefined,
      egressDenied: sandbox?.egress?.denied ?? [],
      names: new Map(names.map(({ name, addresses }) => [name, addresses])),
      former: names.flatMap(({ name, former }) => former.map((each) => ({ ...each, name }))),
    },
    disk: { diskLimit: typeof options.disk_limit === "number" ? options.disk_limit : undefined },
    filter: {
      profile: sandbox?.seccomp ?? null,
      pidMode: options.pid_mode === "host" ? "host" : "private",
      ownDeny: list(options.seccomp_deny) ?? [],
    },
    capabilities: sandbox?.capabilities ?? [],
    capAdd: list(options.cap_add) ?? [],
  };
}

/** The addresses of the names that a task may connect to. */
export type Names = EgressAllowance["names"];

/** What a task may do with these options. The plugin's limits replace those that the task lacks. */
export function allowanceUnder(
  task: TaskOptions,
  plugin: SandboxOptions,
  { names, ...given }: Pick<Allowance, "isUnveiled" | "own"> & { readonly names: Names },
): Allowance {
  const { egressDenied } = plugin;
  const limited = [...portOptions, "egress"] as const;
  return {
    ...given,
    ports: Object.fromEntries(limited.map((option) => [option, task[option] ?? plugin[option]])),
    egress: { egress: task.egress ?? plugin.egress, egressDenied, names, former: [] },
    disk: { diskLimit: task.diskLimit ?? plugin.diskLimit },
    filter: filterUnder(task, plugin),
    capabilities: capabilityNumbers(wantedCapabilities(0n, task)).map(capabilityName),
    capAdd: task.capAdd,
  };
}

/** A profile that the client does not have counts as one that refuses every call. */
function filterUnder(task: TaskOptions, plugin: SandboxOptions): FilterInput {
  const name = task.seccomp ?? plugin.seccomp;
  return {
    profile: profileNames(plugin).includes(name)
      ? seccompProfile(task, plugin)
      : { profile: name, allow: [], deny: systemCallNames },
    pidMode: task.pidMode,
    ownDeny: task.seccompDeny,
  };
}

/** Where the own files of a recorded task are. */
export function ownPlaces({ request, sandbox }: Omit<RecordedTask, "names">): OwnPlaces {
  const own = (sandbox?.unveiled ?? []).filter(isTaskFolder);
  const allocDir = request?.allocDir ?? "";
  const { root_dir: rootDir, root_dir_writable: isWritable } = request?.options ?? {};
  return {
    allocId: request?.allocId ?? "",
    folders: [...own.map(({ path }) => path), ...(allocDir === "" ? [] : [allocDir])],
    ...(typeof rootDir === "string" && { rootDir: { isWritable: isWritable === true } }),
  };
}
