/**
 * Limits of a task's I/O: the option `io`, the plugin's maximum `io_max`, and what is written for them to `io.max` and
 * `io.weight` of the task's cgroup. Pure.
 */

import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { parseAnySize } from "../../units/sizes.ts";
import type { OptionProblem } from "../options/optionProblem.ts";
import type { CgroupWrite } from "./cgroupPlan.ts";

/** The limits by their names in jobs, with their keys in `io.max`. The weight has a file of its own. */
const keys = { read: "rbps", write: "wbps", read_ops: "riops", write_ops: "wiops" } as const;

type RateName = keyof typeof keys;
type IoName = RateName | "weight";

const rateNames = Object.keys(keys) as readonly RateName[];
const ioNames: readonly IoName[] = [...rateNames, "weight"];

/** Blocks as the options have them. */
export type IoBlocks = readonly Readonly<Record<string, string>>[];

/** The problem with a name and its value; undefined if both are valid. */
export function ioProblem(name: string, value: string): OptionProblem | undefined {
  if (!isIoName(name)) {
    const hint = suggestion(name, ioNames);
    return { message: `has ${JSON.stringify(name)}, which is not a limit of I/O`, hint };
  }
  if (parseValue(name, value) !== undefined) return undefined;
  return { message: `has ${name} = ${JSON.stringify(value)}`, hint: usage[kindOf(name)] };
}

const usage = {
  bytes: 'Write bytes per second with a unit, such as "50MB" or "48MiB", from "1kB" to "1TB"',
  count: "Write a number of operations per second, from 1 to 4294967295",
  weight: "Write a number from 1 to 10000. Tasks without a weight have 100",
};

/** Bytes or operations a second; the weight as it is. */
type IoLimits = ReadonlyMap<IoName, number>;

/** @param blocks valid ones */
function limitsOf(blocks: IoBlocks): IoLimits {
  const entries = blocks.flatMap((block) => Object.entries(block));
  return new Map(
    entries.flatMap(([name, value]): [IoName, number][] => {
      const limit = isIoName(name) ? parseValue(name, value) : undefined;
      return limit === undefined ? [] : [[name as IoName, limit]];
    }),
  );
}

/**
 * @param task the job's blocks
 * @param plugin the operator's
 * @throws DriverError `CONFIG_INVALID` for a limit above the operator's
 */
export function checkIo(task: IoBlocks, plugin: IoBlocks): void {
  const most = limitsOf(plugin);
  for (const [name, limit] of limitsOf(task)) {
    const allowed = most.get(name);
    if (allowed === undefined || limit <= allowed) continue;
    const summary = `The task's config has option "io" with ${name} = ${textOf(task, name)}, but this client allows ${textOf(plugin, name)}`;
    throw new DriverError("CONFIG_INVALID", summary, {
      option: "io",
      hint: "Lower it, or raise io_max in the client's plugin block of this driver",
    });
  }
}

function textOf(blocks: IoBlocks, name: IoName): string {
  return blocks.find((block) => block[name] !== undefined)?.[name] ?? "";
}

/** A disk behind some of the task's folders and volumes. */
export interface IoDevice {
  /** `major:minor` of the whole disk. */
  readonly number: string;
  /** Its name in `/sys/block`, such as `vda`. */
  readonly name: string;
  /** The schedulers that divide its time by weights; none if a weight has no effect on it. */
  readonly obeys: readonly WeightScheduler[];
}

/** `iocost` (io.cost.qos of cgroups), or the I/O scheduler BFQ. */
export type WeightScheduler = "iocost" | "bfq";

export interface IoDevices {
  readonly devices: readonly IoDevice[];
  /** Places of the task that no device is behind, and why, such as `the volume at /srv (nfs4 is a network file system)`. */
  readonly unlimited: readonly string[];
}

/**
 * The limits to write. A job's own limits are required: the task must not start where they cannot be. Those of the
 * operator are told where they cannot be, and so is a weight that nothing on the host obeys.
 * @throws DriverError `CGROUP_UNSUPPORTED` if the job limits I/O, and no disk is behind the task's folders and volumes
 */
export function planIo(task: IoBlocks, plugin: IoBlocks, { devices, unlimited }: IoDevices): CgroupWrite[] {
  const own = limitsOf(task);
  const limits: IoLimits = new Map([...limitsOf(plugin), ...own]);
  const rates = rateNames.filter((name) => limits.has(name));
  const isRequired = rateNames.some((name) => own.has(name));
  if (isRequired && devices.length === 0) throw noDevice(unlimited);
  const value = rateNames.map((name) => `${keys[name]}=${limits.get(name) ?? "max"}`).join(" ");
  const why = `I/O: at most ${rates.map((name) => `${name} ${textOf([...task, ...plugin], name)}`).join(", ")} a second`;
  const writes: CgroupWrite[] = [];
  if (rates.length > 0) {
    for (const { number, name } of devices)
      writes.push({
        ...{ file: "io.max", value: `${number} ${value}`, why: `${why}, on ${name}` },
        ...(isRequired && { isRequired }),
      });
    for (const place of unlimited) writes.push({ file: "io.max", value, why, problem: `not on ${place}` });
  }
  const weight = limits.get("weight");
  return weight === undefined ? writes : [...writes, ...weightWrites(weight, own.has("weight"), devices)];
}

function weightWrites(weight: number, isRequired: boolean, devices: readonly IoDevice[]): CgroupWrite[] {
  const why = "share of a busy disk among tasks, in proportion to their weights";
  const obeyed = (by: WeightScheduler) => devices.some(({ obeys }) => obeys.includes(by));
  const value = `default ${weight}`;
  const without = devices.filter(({ obeys }) => obeys.length === 0).map(({ name }) => name);
  const on = without.length === 0 ? "the task's folders have no disk" : `not on ${without.join(", ")}`;
  const problem = `${on}: a weight needs io.cost.qos or the I/O scheduler bfq there`;
  return [
    ...(obeyed("iocost")
      ? [{ file: "io.weight", value, why, ...(isRequired && { isRequired: true as const }) }]
      : []),
    ...(obeyed("bfq") ? [{ file: "io.bfq.weight", value: `default ${bfqWeight(weight)}`, why }] : []),
    ...(without.length > 0 || devices.length === 0 ? [{ file: "io.weight", value, why, problem }] : []),
  ];
}

/** BFQ has weights from 1 to 1000, with the same default of 100. */
function bfqWeight(weight: number): number {
  return weight <= 100 ? weight : Math.round(100 + ((weight - 100) * 900) / 9_900);
}

function noDevice(unlimited: readonly string[]): DriverError {
  const summary = `the task's I/O cannot be limited: no disk of this host is behind ${unlimited.join(", ") || "its folders"}`;
  return new DriverError("CGROUP_UNSUPPORTED", summary, {
    option: "io",
    hint: "Remove io from the task's config, or put the agent's data folder, or a volume of the task, on a disk with a file system such as ext4 or xfs",
  });
}

function isIoName(name: string): name is IoName {
  return (ioNames as readonly string[]).includes(name);
}

function kindOf(name: IoName): keyof typeof usage {
  if (name === "weight") return "weight";
  return name === "read" || name === "write" ? "bytes" : "count";
}

function parseValue(name: IoName, value: string): number | undefined {
  const kind = kindOf(name);
  if (kind === "bytes") return within(parseAnySize(value), 1_000, 1e12);
  const number = /^\d+$/.test(value) ? Number(value) : undefined;
  // The kernel keeps operations in 32 bits, where 4294967295 is no limit.
  return within(number, 1, kind === "weight" ? 10_000 : 4_294_967_295);
}

function within(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}
