/**
 * `npm run test:leaks -- [tasks] [seed] [agent|driver]`: runs this number of tasks, and checks that they leave
 * nothing on the host. The last argument says who writes their log files; by default the agent. Needs root.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { idleMemoryMs } from "../../src/effects/processes/idleMemory.ts";
import { runForLeaks } from "./leakRun.ts";

const tasks = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? randomInt(2 ** 31));
const logs = process.argv[4] ?? "agent";
const isMode = logs === "agent" || logs === "driver";
if (!(Number.isSafeInteger(tasks) && tasks > 0 && Number.isSafeInteger(seed) && isMode)) {
  console.error("npm run test:leaks -- [tasks] [seed] [agent|driver]: the first two are whole numbers");
  process.exit(2);
}
/** The limit of the growth of a plugin at rest. It allows for code that V8 has compiled meanwhile. */
const maxGrowthKib = 10 * 1024;
/** Until then, a plugin has returned what its last tasks needed. */
const restMs = 2 * idleMemoryMs;

const command = join(import.meta.dirname, "../../dist/plugin/nomad-driver-exec2");
const begin = performance.now();
const { before, after, memory, crashes } = await runForLeaks({
  command,
  logs,
  tasks,
  seed,
  restMs,
  onProgress: (done) => {
    if (done % 500 === 0) console.log(`${done} of ${tasks} tasks`);
  },
});
const seconds = Math.round((performance.now() - begin) / 1000);
const growth = memory.last - memory.first;
console.log(
  `seed ${seed}, logs by the ${logs}: ${tasks} tasks in ${seconds} s, ${crashes} plugins killed; memory ${memory.first} to ${memory.last} KiB`,
);
if (!isDeepStrictEqual(before, after)) {
  console.error("✗ something is left:\n", { before, after });
  process.exit(1);
}
if (growth > maxGrowthKib) {
  console.error(`✗ the plugin has grown by ${growth} KiB`);
  process.exit(1);
}
console.log("✓ nothing is left");
