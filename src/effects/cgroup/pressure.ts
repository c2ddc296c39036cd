/**
 * The option `pressure`: how long processes of a task may wait for a resource before the kernel tells the driver (PSI).
 * Pure. Documentation/accounting/psi.rst of the kernel describes triggers.
 */

import { suggestion } from "../../base/suggest.ts";
import { formatDuration, parseDuration } from "../../units/durations.ts";
import type { OptionProblem } from "../options/optionProblem.ts";

export const pressureResources = ["cpu", "memory", "io"] as const;
export type PressureResource = (typeof pressureResources)[number];

/** `some`: at least one process waits. `full`: all of them do. */
export const pressureKinds = ["some", "full"] as const;

export interface PressureTrigger {
  readonly resource: PressureResource;
  readonly kind: (typeof pressureKinds)[number];
  /** Milliseconds of waiting within the window. */
  readonly stallMs: number;
  readonly windowMs: number;
}

/** The problem with a resource and its trigger; undefined if both are valid. */
export function pressureProblem(name: string, value: string): OptionProblem | undefined {
  if (!isResource(name)) {
    const hint = suggestion(name, pressureResources);
    return { message: `has ${JSON.stringify(name)}, which is no resource with pressure`, hint };
  }
  if (parseTrigger(name, value) !== undefined) return undefined;
  return {
    message: `has ${name} = ${JSON.stringify(value)}`,
    hint: 'Write "some" or "full", how long processes may wait, and in which time, such as "full 150ms 1s". The time is 500ms to 10s, and the first one at most as long',
  };
}

/** @param blocks valid ones */
export function pressureTriggers(blocks: readonly Readonly<Record<string, string>>[]): PressureTrigger[] {
  return blocks
    .flatMap((block) => Object.entries(block))
    .flatMap(([name, value]) => (isResource(name) ? (parseTrigger(name, value) ?? []) : []));
}

/** `all of its processes waited for memory, together 150 ms within 1 s`. */
export function describeTrigger({ resource, kind, stallMs, windowMs }: PressureTrigger): string {
  const who = kind === "full" ? "all" : "some";
  return `${who} of its processes waited for ${resourceNames[resource]}, together ${formatDuration(stallMs)} within ${formatDuration(windowMs)}`;
}

const resourceNames = { cpu: "CPU", memory: "memory", io: "I/O" };

function isResource(name: string): name is PressureResource {
  return (pressureResources as readonly string[]).includes(name);
}

function parseTrigger(resource: PressureResource, value: string): PressureTrigger | undefined {
  const [, kind, stall = "", window = ""] = /^(some|full) (\S+) (\S+)$/.exec(value) ?? [];
  const [stallMs = 0, windowMs = 0] = [parseDuration(stall), parseDuration(window)];
  // The kernel's own bounds (WINDOW_MIN_US, WINDOW_MAX_US).
  const isValid = windowMs >= 500 && windowMs <= 10_000 && stallMs >= 1 && stallMs <= windowMs;
  if (!isValid || (kind !== "some" && kind !== "full")) return undefined;
  return { resource, kind, stallMs, windowMs };
}
