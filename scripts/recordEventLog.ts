/**
 * Records an event log of tasks that end in every way, as a fixture for later versions of
 * the driver: test/fixtures/logs/schema<version>.mdb.gz.
 *
 * As root: `node scripts/recordEventLog.ts [executable]`. The default is this checkout's build.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { EventReader } from "../src/store/eventStore.ts";
import { logFiles } from "../src/store/folder/logFolders.ts";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventReader } from "../src/store/lmdb/eventReader.ts";

const root = join(import.meta.dirname, "..");
const executable = resolve(process.argv[2] ?? join(root, "dist/plugin/nomad-driver-exec2"));
const folder = mkdtempSync("/var/lib/exec2-record-");
/** The log of the first local run below a state_dir. */
const { events: log } = stateFolderPaths(join(folder, "local/1"));

try {
  await run("succeeds", "exit 0");
  await run("fails", "exit 7");
  await run("crashes", "kill -SEGV $$");
  await run("stops", "echo ready; exec sleep 600", { whenReady: interrupt });
  await run("resists", "trap '' INT; echo ready; sleep 600", {
    whenReady: interrupt,
    more: 'kill_timeout = "100ms"',
  });
  await run("changes-hands", "echo ready; sleep 3; exit 3", { whenReady: killPlugin });
  await run("is-refused", "", { command: "a-program-that-is-not-there" });
  await save();
} finally {
  rmSync(folder, { recursive: true });
}

interface Life {
  /** Called with the pid of `run` once the task is running. */
  readonly whenReady?: (pid: number) => void;
  /** Default: a shell. */
  readonly command?: string;
  /** Further lines of the task. */
  readonly more?: string;
}

/** Runs a task to its end. The log gets a neutral host name. */
async function run(task: string, script: string, life: Life = {}): Promise<void> {
  const { whenReady, command = "sh", more = "" } = life;
  const job = join(folder, "job.hcl");
  writeFileSync(
    job,
    `job "recorded" {
  group "only" {
    task "${task}" {
      driver = "exec2"
      config {
        command = "${command}"
        args    = ["-c", ${JSON.stringify(script)}]
      }
      ${more}
    }
  }
}
`,
  );
  const named = ["--uts", "sh", "-c", 'hostname node-1 && exec "$@"', "sh"];
  const child = spawn("unshare", [...named, executable, "run", "--state-dir", folder, job], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stderr.pipe(process.stderr, { end: false });
  const ended = once(child, "close");
  if (whenReady) {
    // The task has written a line, and `run` has reported its start.
    await Promise.all([once(child.stdout, "data"), once(child.stderr, "data")]);
    whenReady(child.pid as number);
  }
  await ended;
}

function interrupt(pid: number): void {
  process.kill(pid, "SIGINT");
}

function killPlugin(pid: number): void {
  const [plugin] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  process.kill(Number(plugin), "SIGKILL");
}

async function save(): Promise<void> {
  const reader = await openEventReader(log);
  const schema = schemaOf(reader);
  await reader.close();
  const target = join(root, "test/fixtures/logs", `schema${schema}.mdb.gz`);
  mkdirSync(join(target, ".."), { recursive: true });
  writeFileSync(target, gzipSync(readFileSync(logFiles(log).data), { level: 9 }));
  console.log(`${target}: ${readFileSync(target).length} bytes`);
}

function schemaOf(reader: EventReader): number {
  const schemas = new Set(Array.from(reader.readAll(), ({ schema }) => schema));
  const [only, second] = schemas;
  if (only === undefined || second !== undefined) throw new Error(`schema versions: ${[...schemas]}`);
  return only;
}
