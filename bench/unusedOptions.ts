/**
 * Measures what options that a task leaves out cost its start: decoding them, in processor time of this thread, in
 * turns with a schema that lacks them. As any user: `node bench/unusedOptions.ts [rounds] [options, by commas]`.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { decodeOptions } from "../src/effects/options/hclOptions.ts";
import { taskSchema } from "../src/effects/parts.ts";
import { percentile, printFigure } from "./figures.ts";

const rounds = Number(process.argv[2] ?? 100);
const names = (process.argv[3] ?? "diskLimit,tmpSize,io,idmappedVolumes,rootDir,rootDirWritable").split(",");
/** The kernel counts processor time in steps of milliseconds. */
const starts = 5_000;

const raw = { command: "sleep", args: ["1000"] };
const shape = Object.entries(taskSchema().shape);
const schemas = {
  all: taskSchema(),
  without: z.object(Object.fromEntries(shape.filter(([name]) => !names.includes(name)))),
};

/** Microseconds for each start. */
const used: Record<keyof typeof schemas, number[]> = { all: [], without: [] };
for (let round = -10; round < rounds; round++) {
  for (const kind of round % 2 === 0 ? (["all", "without"] as const) : (["without", "all"] as const)) {
    const before = mainThreadUs();
    for (let start = 0; start < starts; start++) decodeOptions("task", schemas[kind], raw);
    const after = mainThreadUs();
    if (round >= 0) used[kind].push((after - before) / starts);
  }
}
const costs = used.all.map((time, round) => time - (used.without[round] ?? 0));
const shares = (times: readonly number[]) =>
  [0.25, 0.5, 0.75].map((share) => percentile(times, share).toFixed(2)).join(", ");
printFigure(`${shape.length} options of a task: p25, p50, p75`, `${shares(used.all)} µs`);
printFigure(`without ${names.length} of them`, `${shares(used.without)} µs`);
printFigure("their cost", `${shares(costs)} µs`);

/** Processor time of this process's main thread: proc_pid_schedstat. */
function mainThreadUs(): number {
  return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ", 1)[0]) / 1_000;
}
