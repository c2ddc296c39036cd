/**
 * Measures a run's logger without the rest of the driver: launches to the task's first byte, output at full speed,
 * and memory. The baseline is a launch whose output is a pipe that a waiting reader has open. As root:
 * `node bench/logger.ts [rounds]`.
 */
import { closeSync, readFileSync, watch } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { pipe2 } from "../src/effects/kernel/libc.ts";
import { watchExit } from "../src/effects/run/runFiles.ts";
import { TestRun } from "../test/support/launch/launchRun.ts";
import { LoggedRun } from "../test/support/launch/loggedRun.ts";
import { percentile, printFigure, printTimes, pssOf, timed } from "./figures.ts";

const rounds = Number(process.argv[2] ?? 100);
const floodBytes = 500_000_000;

const pipes: number[] = [];
const files: number[] = [];
const executed: Readonly<Record<"pipe" | "file", number[]>> = { pipe: [], file: [] };
for (let round = -10; round < rounds; round++) {
  const [toPipe, toFile] = [await firstByteInPipe(), await firstByteInFile()];
  if (round < 0) continue;
  pipes.push(toPipe.byte);
  files.push(toFile.byte);
  executed.pipe.push(toPipe.execve);
  executed.file.push(toFile.execve);
}
printTimes("launch to execve, pipe", executed.pipe);
printTimes("launch to execve, logger", executed.file, executed.pipe);
printTimes("launch to the first byte in a pipe", pipes);
printTimes("launch to the first byte in a file", files, pipes);

const flood = `head -c ${floodBytes} /dev/zero`;
const [plain, logged]: [number[], number[]] = [[], []];
for (let round = 0; round < 5; round++) {
  plain.push(await timed(() => through(new TestRun(), `${flood} | cat > /dev/null`)));
  logged.push(await timed(() => through(new LoggedRun({ maxFiles: 10, maxFileBytes: 10 * 2 ** 20 }), flood)));
}
const speed = (times: readonly number[]) => `${Math.round(floodBytes / 1000 / percentile(times, 0.5))} MB/s`;
printFigure("output into a plain pipe", speed(plain));
printFigure("output into files of 10 MiB", speed(logged));

// So much a task can make its logger work, outside of the task's limits, for as long as it likes.
const heldRate = 64 * 2 ** 20;
for (const [what, script] of [
  ["a flood", flood],
  ["lines of two bytes, one write each", "exec perl -e '$| = 1; print \"y\\n\" while 1'"],
] as const) {
  for (const bytesPerSecond of [0, heldRate]) {
    using run = new LoggedRun({ maxFiles: 2, maxFileBytes: 10 * 2 ** 20, bytesPerSecond });
    await run.startLogged(`while :; do ${script}; done`);
    while (run.record()?.logger === undefined) await new Promise(setImmediate);
    const share = await processorShare(run.record()?.logger?.pid ?? 0);
    const rate = bytesPerSecond === 0 ? "without a rate" : "at 64 MiB a second";
    printFigure(`processor of a logger, ${what}, ${rate}`, `${Math.round(share * 100)} %`);
  }
}

const runs = Array.from({ length: 20 }, () => new LoggedRun());
try {
  for (const run of runs) await run.startLogged("seq 1 100000; exec sleep 60");
  for (const run of runs) while (run.record() === undefined) await new Promise(setImmediate);
  const sizes = runs.map((run) => pssOf(run.record()?.logger?.pid ?? 0));
  printFigure("memory of a logger (PSS)", `${Math.min(...sizes)} to ${Math.max(...sizes)} KiB`);
} finally {
  for (const run of runs) run[Symbol.dispose]();
}

interface Launch {
  /** Milliseconds. */
  readonly execve: number;
  readonly byte: number;
}

async function firstByteInPipe(): Promise<Launch> {
  using run = new TestRun();
  const { read, write } = pipe2();
  const reader = new Socket({ fd: read, readable: true, writable: false });
  const byte = new Promise<void>((resolve) => reader.once("data", () => resolve()));
  const begin = performance.now();
  await run.startScript("echo", {}, { stdout: write });
  const execve = performance.now() - begin;
  closeSync(write);
  await byte;
  const at = performance.now() - begin;
  await run.ended();
  reader.destroy();
  return { execve, byte: at };
}

async function firstByteInFile(): Promise<Launch> {
  using run = new LoggedRun();
  const watcher = watch(run.logs);
  const byte = new Promise<void>((resolve) => {
    watcher.on("change", (event, name) => {
      if (event === "change" && name === "t.stdout.0") resolve();
    });
  });
  const begin = performance.now();
  await run.startLogged("echo");
  const execve = performance.now() - begin;
  await byte;
  const at = performance.now() - begin;
  watcher.close();
  await run.ended();
  await run.logged();
  return { execve, byte: at };
}

async function through(run: TestRun | LoggedRun, script: string): Promise<void> {
  using _ = run;
  if (run instanceof LoggedRun) {
    await run.startLogged(script);
    await watchExit(run.logger.aliveFifo).ended;
  } else {
    await run.startScript(script);
    await run.ended();
  }
}

/** The share of a processor that a process takes over three seconds, after one in which it may be slower. */
async function processorShare(pid: number): Promise<number> {
  const ticks = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(" ");
    return Number(fields[13]) + Number(fields[14]);
  };
  await delay(1_500);
  const [begin, before] = [performance.now(), ticks()];
  await delay(3_000);
  return ((ticks() - before) * 10) / (performance.now() - begin);
}
