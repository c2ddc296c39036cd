/**
 * Records the histories for docs/debugging.md in docs/histories. Runs three examples several times each, in a
 * virtual machine with all controllers of cgroup v2. Some of the runs fail. The machine is switched off while
 * a task runs, then booted again.
 *
 * As root, after `npm run test:vm` or `node scripts/setup.mjs --vm --build`: `VM_KERNEL=…/vmlinuz node
 * scripts/recordDebugging.ts`, with a kernel that records denials (Linux 6.15 or newer). Afterwards run `npm
 * run generate`.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { diskFolder, prepareGuest } from "../test/vm/support/prepareGuest.ts";
import { bootMachine, lastLines, makeDisk, ownMachine } from "./vm/virtualMachine.ts";

const root = join(import.meta.dirname, "..");
const executable = join(root, "dist/plugin/nomad-driver-exec2");
const target = join(root, "docs/histories");
/** The examples, with the names of their tasks. */
const examples = { denied: "count", outOfMemory: "copy", longWork: "frames" } as const;
type Example = keyof typeof examples;

/** Maximum time of both boots together. The machine is emulated, so it is slow. */
const limitMs = 570_000;

/** A line of a bundle that the machine sends. */
interface BundleLine {
  readonly example: Example;
  readonly line: string;
}

const [boot] = process.argv.slice(2);
if (boot === "first") await firstBoot();
else if (boot === "second") secondBoot();
else await record();

async function record(): Promise<void> {
  const folder = join(root, "test-results/recordDebugging");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const disk = join(folder, "disk.img");
  makeDisk(disk);
  const bundles = new Map<Example, string>();
  for (const name of ["first", "second"]) {
    const emulatorLog = join(folder, `${name}.emulator.log`);
    const failure = await bootMachine(ownMachine(), {
      command: `exec '${process.execPath}' '${import.meta.filename}' ${name}`,
      disk,
      consoleLog: join(folder, `${name}.console.log`),
      emulatorLog,
      limitMs: limitMs - performance.now(),
      onLine: (text) => {
        const { example, line } = JSON.parse(text) as BundleLine;
        bundles.set(example, `${bundles.get(example) ?? ""}${line}\n`);
      },
    });
    // The first boot ends like a power cut, which virtme-run reports as a failure.
    console.log(`${name} boot: ${failure ?? "done"}\n${lastLines(emulatorLog)}`);
  }
  mkdirSync(target, { recursive: true });
  for (const example of Object.keys(examples) as Example[]) {
    const bundle = bundles.get(example);
    if (bundle === undefined) throw new Error(`the machine has sent nothing of ${example}`);
    writeFileSync(join(target, `${example}.jsonl`), bundle);
  }
}

async function firstBoot(): Promise<void> {
  prepare();
  const options = join(diskFolder, "options.hcl");
  writeFileSync(options, 'allow_host_root = true\ndenials = "on"\n');
  const onHostTree = ["--plugin-config", options, "--var", "root=host"];
  run("denied", ...onHostTree);
  run("denied", ...onHostTree, "--var", 'unveil=["r:/etc/passwd"]');
  run("denied", "--var", "command=/sbin/ldconfig");
  run("outOfMemory");
  run("outOfMemory", "--var", "memory=96");
  run("longWork", "--var", "seconds=2");
  const args = ["run", "--state-dir", diskFolder, exampleFile("longWork")];
  const running = spawn(executable, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(running.stdout, "data");
  // Waits until the log is flushed. Then switches off without a shutdown: proc(5), sysrq-trigger.
  execFileSync("sh", [
    "-c",
    "sleep 5; echo 1 > /proc/sys/kernel/sysrq; echo o > /proc/sysrq-trigger; sleep 60",
  ]);
}

function secondBoot(): void {
  prepare();
  // The plugin of any run reconciles the log of the previous boot.
  execFileSync(executable, ["run", "--state-dir", diskFolder, join(root, "examples/hello.nomad.hcl")]);
  const port = openSync("/dev/virtio-ports/exec2.results", "w");
  for (const example of Object.keys(examples) as Example[]) {
    for (const line of bundleOf(examples[example])) {
      const message: BundleLine = { example, line };
      writeSync(port, `${JSON.stringify(message)}\n`);
    }
  }
}

function prepare(): void {
  prepareGuest();
  execFileSync("hostname", ["node-1"]);
}

/** Runs an example, which may fail. */
function run(example: Example, ...options: string[]): void {
  const args = ["run", "--state-dir", diskFolder, ...options, exampleFile(example)];
  spawnSync(executable, args, { stdio: "inherit" });
}

function exampleFile(example: Example): string {
  return join(root, `examples/${example}.nomad.hcl`);
}

/** The lines of a bundle with all runs of a task. */
function bundleOf(task: string): string[] {
  const call = (...args: string[]) =>
    execFileSync(executable, [...args, "--state-dir", diskFolder], { encoding: "utf8" })
      .trimEnd()
      .split("\n");
  const events = call("events", "--json").map((line) => JSON.parse(line) as { readonly stream: string });
  const streams = new Set(events.map(({ stream }) => stream).filter((id) => id.split("/")[1] === task));
  return call("export", ...streams);
}
