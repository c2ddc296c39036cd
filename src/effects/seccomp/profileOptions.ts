/**
 * Determines a task's profile from its options `seccomp`, `seccomp_allow` and `seccomp_deny`. Checks these
 * options, the plugin's profiles, and the names of system calls in all of them. Pure.
 */

import { DriverError } from "../../base/errors.ts";
import { nearest, suggestion } from "../../base/suggest.ts";
import { isSystemCallName, systemCallNames } from "../kernel/systemCalls.ts";
import type { OptionProblem } from "../options/optionProblem.ts";
import { defaultProfile } from "./defaultProfile.ts";
import { refusals, type SeccompProfile, UNCONFINED } from "./taskFilter.ts";

export interface SeccompTaskOptions {
  readonly seccomp?: string | undefined;
  readonly seccompAllow: readonly string[];
  readonly seccompDeny: readonly string[];
}

export interface SeccompPluginOptions {
  readonly seccomp: string;
  /**
   * Profiles by their names. Each lists its differences from the default profile: the calls that it allows
   * (`+`) or refuses (`-`).
   */
  readonly seccompProfiles: readonly Readonly<Record<string, readonly string[]>>[];
  readonly allowSeccomp: readonly string[];
}

/**
 * The profile that a task's options name, with the task's own lists merged into those of the profile.
 * @throws DriverError `CONFIG_INVALID` for a profile that the client does not have
 */
export function seccompProfile(task: SeccompTaskOptions, plugin: SeccompPluginOptions): SeccompProfile {
  const { profile, allow, deny } = profileNamed(task.seccomp ?? plugin.seccomp, plugin);
  const own = [...task.seccompAllow, ...task.seccompDeny];
  const merged = (base: readonly string[], further: readonly string[]) =>
    [...new Set([...base.filter((name) => !own.includes(name)), ...further])].sort();
  return { profile, allow: merged(allow, task.seccompAllow), deny: merged(deny, task.seccompDeny) };
}

/**
 * Checks a task's options. A task may always give up further calls. To use calls that the client's profile
 * refuses, the task needs the client's permission.
 * @throws DriverError `CONFIG_INVALID` naming the option and what has to change
 */
export function checkSeccomp(task: SeccompTaskOptions, plugin: SeccompPluginOptions): void {
  const both = task.seccompAllow.find((name) => task.seccompDeny.includes(name));
  if (both !== undefined) {
    throw new DriverError(
      "CONFIG_INVALID",
      `The task's config contradicts itself: "seccomp_allow" and "seccomp_deny" both name ${both}`,
      { option: "seccomp_allow" },
    );
  }
  // Most tasks need no further check. A comparison of all refusals would take a twentieth of a start's time.
  const hasClientsProfile = task.seccomp === undefined || task.seccomp === plugin.seccomp;
  if (hasClientsProfile && task.seccompAllow.length === 0) return;
  const { allowSeccomp } = plugin;
  const requested = seccompProfile(task, plugin);
  if (allowSeccomp.includes(ALL)) return;
  const base = profileNamed(requested.profile, plugin);
  const permitted = (refusal: string) => refusal.split(" ").some((name) => allowSeccomp.includes(name));
  const lifted = (from: SeccompProfile, to: SeccompProfile) => {
    const kept = refusals(to);
    return [...refusals(from)].filter((refusal) => !kept.has(refusal) && !permitted(refusal));
  };
  const isPermitted = allowSeccomp.includes(base.profile);
  if (!isPermitted && lifted(profileNamed(plugin.seccomp, plugin), base).length > 0) {
    throw notAllowed("seccomp", base.profile, [
      plugin.seccomp,
      ...allowSeccomp.filter((name) => !isCallName(name)),
    ]);
  }
  const beyond = lifted(base, requested);
  const names = task.seccompAllow.filter((name) =>
    beyond.some((refusal) => refusal.split(" ").includes(name)),
  );
  if (names.length > 0) throw notAllowed("seccomp_allow", names.join(", "), allowSeccomp.filter(isCallName));
}

/** The problem with the plugin's choice of profiles; undefined for a valid choice. */
export function seccompProblem(
  plugin: SeccompPluginOptions,
): (OptionProblem & { option: string }) | undefined {
  const names = profileNames(plugin);
  if (!names.includes(plugin.seccomp)) {
    const message = `(${JSON.stringify(plugin.seccomp)}) is not a profile`;
    return { option: "seccomp", message, hint: suggestion(plugin.seccomp, names) };
  }
  for (const name of plugin.allowSeccomp) {
    const problem = name === ALL || names.includes(name) ? undefined : callProblem(name);
    if (problem !== undefined) return { option: "allow_seccomp", ...problem };
  }
  return undefined;
}

/** The problem with a profile that the operator has defined; undefined for a valid one. */
export function profileProblem(name: string, entries: readonly string[]): OptionProblem | undefined {
  if (!/^[a-z][a-z0-9_-]*$/.test(name) || reserved.includes(name) || isCallName(name)) {
    return {
      message: `has ${JSON.stringify(name)}, which cannot be a profile's name`,
      hint: `Use a lower-case word that is not reserved (${reserved.join(", ")}) and not the name of a system call`,
    };
  }
  for (const entry of entries) {
    const problem = entryProblem(entry);
    if (problem !== undefined) return { message: `has ${JSON.stringify(entry)} in ${name}`, hint: problem };
  }
  return undefined;
}

function entryProblem(entry: string): string | undefined {
  const name = entry.slice(1);
  switch (entry.at(0)) {
    case "+":
      return callProblem(name)?.hint;
    case "-":
      return deniedCallProblem(name)?.hint;
    default:
      return "Write +NAME to allow what the default profile refuses, -NAME to refuse what it allows";
  }
}

const DEFAULT = "default";
/** Stands for every profile and every call in `allow_seccomp`. */
const ALL = "all";
const reserved = [DEFAULT, UNCONFINED, ALL];

/** @throws DriverError `CONFIG_INVALID` for a profile that the client does not have */
function profileNamed(profile: string, plugin: SeccompPluginOptions): SeccompProfile {
  if (profile === DEFAULT || profile === UNCONFINED) return { profile, allow: [], deny: [] };
  const profiles = new Map(plugin.seccompProfiles.flatMap((block) => Object.entries(block)));
  const entries = profiles.get(profile);
  if (entries === undefined) {
    const text = `The task's config has option "seccomp" with ${JSON.stringify(profile)}, and this client has no such profile`;
    const hint = `${suggestion(profile, profileNames(plugin))} Or define it with seccomp_profiles in the client's plugin block of this driver`;
    throw new DriverError("CONFIG_INVALID", text, { option: "seccomp", hint });
  }
  const named = (sign: string) =>
    entries.filter((entry) => entry.startsWith(sign)).map((entry) => entry.slice(1));
  return { profile, allow: named("+"), deny: named("-") };
}

/** Names of all profiles of the client. */
export function profileNames({ seccompProfiles }: Pick<SeccompPluginOptions, "seccompProfiles">): string[] {
  return [DEFAULT, UNCONFINED, ...seccompProfiles.flatMap((block) => Object.keys(block))];
}

function notAllowed(option: string, requested: string, allowed: readonly string[]): DriverError {
  return new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "${option}" with ${requested}, but this client allows ${allowed.join(", ") || "none"}`,
    { option, hint: "Remove it, or add it to allow_seccomp in the client's plugin block of this driver" },
  );
}

/** Whether a name is that of a system call or a group. */
function isCallName(name: string): boolean {
  return isSystemCallName(name) || groupNames.includes(name);
}

/** The problem with a name in a list of allowed calls; undefined for a valid one. */
export function callProblem(name: string): OptionProblem | undefined {
  if (isCallName(name)) return undefined;
  const meant = nearest(name, [...groupNames, ...systemCallNames]);
  const message = `(${JSON.stringify(name)}) is not a system call`;
  // A list of all calls would be too long to read.
  if (meant === undefined)
    return {
      message,
      hint: `Write a system call's name as in syscalls(2), or one of the groups: ${groupNames.join(", ")}`,
    };
  return { message, hint: `Did you mean ${meant}?` };
}

/** The problem with a name in a list of refused calls; undefined for a valid one. */
export function deniedCallProblem(name: string): OptionProblem | undefined {
  if (!neededByLaunch.includes(name)) return callProblem(name);
  return {
    message: `(${JSON.stringify(name)}) would keep every task from starting`,
    hint: `A launch itself needs ${neededByLaunch.join(", ")}`,
  };
}

const groupNames = defaultProfile.map(({ name }) => `@${name}`);

/**
 * Calls that the launch makes under the filter: it executes the command or, if that fails, reports the error
 * and exits.
 */
const neededByLaunch = ["execve", "write", "exit_group"];
