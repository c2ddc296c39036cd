/** The runners' bytes match their listings, and execute a table. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import type { Architecture } from "../../../src/effects/kernel/systemCalls.ts";
import { loggerState, newStream, parseLogRecord } from "../../../src/effects/logs/logger.ts";
import { LogTimes, maxCapacity, olderBytes, timesName } from "../../../src/effects/logs/logTimes.ts";
import { stepAt } from "../../../src/effects/plan/assemble.ts";
import { bytes, noSteps, type Plan, place } from "../../../src/effects/plan/plan.ts";
import { runnerPrograms } from "../../../src/effects/plan/runner.ts";
import { parseReport } from "../../../src/effects/plan/spawnPlan.ts";
import {
  EARLY_ADDRESS,
  EARLY_BYTES,
  KEPT_BYTES,
  LOGGER_CODE_ADDRESS,
  LOGGER_STATE_ADDRESS,
  TABLE_ADDRESS,
  TABLE_BYTES,
} from "../../../src/effects/plan/table.ts";
import { requireTools, tryTools } from "../../support/host/requireTools.ts";
import { folderOfFile } from "../../support/host/temporaryFolder.ts";
import { assemblePlan } from "../../support/launch/tableInterpreter.ts";

interface Runner {
  readonly architecture: Architecture;
  readonly bytes: string;
  readonly listing: string;
  /** The prefix of the cross-compiling binutils. */
  readonly tools: string;
  readonly emulator: string;
}

const runners: Runner[] = [
  {
    architecture: "x64",
    bytes: runnerPrograms.x64,
    listing: "runnerX86.s",
    tools: "x86_64-linux-gnu-",
    emulator: "qemu-x86_64",
  },
  {
    architecture: "arm64",
    bytes: runnerPrograms.arm64,
    listing: "runnerArm64.s",
    tools: "aarch64-linux-gnu-",
    emulator: "qemu-aarch64",
  },
];

/**
 * A plan that writes, makes a call that may fail, reads its input to the end, discards memory, and then
 * fails.
 */
const plan: Plan = {
  steps: {
    parent: [
      { name: "write", call: "write", args: [1, bytes(new TextEncoder().encode("hello"), "hello"), 5] },
      { name: "may fail", call: "close", args: [999], flow: { kind: "tolerateErrors" } },
      {
        name: "read",
        call: "read",
        args: [0, place("identity"), 1],
        flow: { kind: "repeatUntil", result: 0 },
      },
      { name: "until it fails", call: "close", args: [0], flow: { kind: "repeatUntilError" } },
      { name: "returns 0", call: "chdir", args: ["/"], flow: { kind: "repeatUntilZeroOrSkip" } },
      { name: "so this is done", call: "write", args: [1, "!", 1] },
      { name: "fails", call: "close", args: [999], flow: { kind: "repeatUntilZeroOrSkip" } },
      { name: "so this is skipped", call: "write", args: [1, "?", 1] },
      // This call returns 0, like a fork in the child.
      {
        name: "go on",
        call: "chdir",
        args: ["/"],
        flow: { kind: "fork", child: "supervise", parent: "next" },
      },
    ],
    init: [],
    unveil: [],
    held: [],
    abandoned: [],
    logger: [],
    relay: [],
    relaying: [],
    stalled: [],
    drained: [],
    rest: [],
    task: [],
    dropped: [],
    supervise: [
      {
        name: "forget",
        call: "munmap",
        args: [EARLY_ADDRESS, TABLE_ADDRESS + TABLE_BYTES - EARLY_ADDRESS],
      },
      { name: "write again", call: "write", args: [1, place("waitStatus"), 2] },
      { name: "fail", call: "close", args: [999] },
    ],
  },
};

const folder = folderOfFile();

const closeTable = { name: "close the table", call: "close", args: [3] } as const;

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

/** The emulator is large: set-up installs it for `npm run test:long`. */
function requireEmulator(context: TestContext, emulator: string): void {
  if (process.env.TEST_LONG) requireTools(context, emulator);
  else tryTools(context, emulator);
}

describe.each(runners)(
  "the runner for $architecture",
  ({ architecture, bytes, listing, tools, emulator }) => {
    const native = architecture === process.arch;
    const source = new URL(`../../../src/effects/plan/${listing}`, import.meta.url).pathname;

    it("is equal to its assembled listing, byte for byte", (context) => {
      const [as, objcopy] = ["as", "objcopy"].map((tool) => (native ? tool : tools + tool)) as [
        string,
        string,
      ];
      requireTools(context, as, objcopy);
      execFileSync(as, ["-I", dirname(source), "-o", join(folder, "object"), source]);
      execFileSync(objcopy, [
        "-O",
        "binary",
        "-j",
        ".text",
        join(folder, "object"),
        join(folder, "assembled"),
      ]);
      expect(bytes).toBe(readFileSync(join(folder, "assembled"), "base64"));
    });

    it("uses the same layout of the table as the assembler of plans", () => {
      const listings = [source, source.replace("runner", "logger")];
      const constants = listings.flatMap((path) => [
        ...readFileSync(path, "utf8").matchAll(/\.set\s+(\w+), (\w+)/g),
      ]);
      const values = Object.fromEntries(constants.map(([, name, value]) => [name, Number(value)]));
      expect(values.CODE_ADDRESS + values.LOGGER_OFFSET).toBe(LOGGER_CODE_ADDRESS);
      expect(values).toMatchObject({
        STATE: LOGGER_STATE_ADDRESS,
        OLDER_BYTES: olderBytes,
        MAX_CAPACITY: maxCapacity,
        TABLE_ADDRESS,
        TABLE_BYTES,
        EARLY_ADDRESS,
        EARLY_BYTES,
        KEPT_BYTES,
      });
    });

    it("becomes the logger of two pipes", (context) => {
      requireTools(context, "bash");
      if (!native) requireEmulator(context, emulator);
      const [executable, table, logs] = ["logger", "logger.table", "logs"].map((name) =>
        join(folder, `${architecture}.${name}`),
      ) as [string, string, string];
      const record = join(folder, `${architecture}.record`);
      mkdirSync(logs);
      writeFileSync(executable, Buffer.from(bytes, "base64"), { mode: 0o755 });
      const steps = { ...noSteps, parent: [{ ...closeTable, flow: { kind: "becomeLogger" } as const }] };
      const state = loggerState({
        ...{ name: "log", recordFile: record, aliveFifo: "", base: "t", maxFiles: 5, maxFileBytes: 65_536 },
        bytesPerSecond: 0,
        streams: { stdout: { ...newStream, index: 98 }, stderr: newStream },
      });
      writeFileSync(table, assemblePlan({ steps, loggerState: state }, architecture));
      mkdirSync(join(logs, "t.stdout.99"));
      symlinkSync(table, join(logs, "t.stdout.98"));
      const command = native ? '"$1"' : `${emulator} "$1"`;
      const script = `${command} 0< <(seq 1 100000) 1< <(echo error) 2< "$2" 3< "$3" 4> /dev/null 5<> "$4"`;
      const began = Date.now();
      const { status } = spawnSync("bash", ["-c", script, "-", executable, logs, table, record], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      expect(status).toBe(0);
      const lines = Array.from({ length: 100_000 }, (_, n) => `${n + 1}\n`).join("");
      const files = readdirSync(logs).sort();
      // 588 895 bytes are in nine files.
      const names = [...range(102, 106).map((n) => `t.stdout.${n}`), "t.stderr.0"];
      expect(files).toEqual([...names, ...names.map(timesName)].sort());
      for (const name of names) {
        const { from = 0 } = LogTimes.parse(readFileSync(join(logs, timesName(name)))).at(0) ?? {};
        expect(from).toBeGreaterThanOrEqual(began);
        expect(from).toBeLessThanOrEqual(Date.now());
      }
      const written = range(102, 106).map((n) => readFileSync(join(logs, `t.stdout.${n}`), "utf8"));
      expect(lines.endsWith(written.join(""))).toBe(true);
      expect(written.every((text) => text.endsWith("\n") && text.length <= 65_536)).toBe(true);
      expect(readFileSync(join(logs, "t.stderr.0"), "utf8")).toBe("error\n");
      const { stdout, stderr } = parseLogRecord(readFileSync(record)) ?? {};
      expect(stdout).toMatchObject({ index: 106, files: 9, lostBytes: 0, ended: true });
      expect((stdout?.finishedBytes ?? 0) + (stdout?.endBytes ?? 0)).toBe(lines.length);
      expect(stderr).toEqual({ ...newStream, beginBytes: 0, endBytes: 6, files: 1, ended: true });
    });

    it("executes a table, and reports the failed step", (context) => {
      if (!native) requireEmulator(context, emulator);
      const executable = join(folder, architecture);
      const table = join(folder, `${architecture}.table`);
      writeFileSync(executable, Buffer.from(bytes, "base64"), { mode: 0o755 });
      writeFileSync(table, assemblePlan(plan, architecture));
      const descriptor = openSync(table, "r");
      const [command, args] = native ? [executable, []] : [emulator, [executable]];
      const { status, output } = spawnSync(command, args, {
        input: "some input",
        stdio: ["pipe", "pipe", "inherit", descriptor, "pipe"],
      });
      closeSync(descriptor);
      expect(status).toBe(127);
      expect(output[1]?.toString()).toBe("hello!\0\0");
      const { failure } = parseReport(output[4] as unknown as Uint8Array);
      const EBADF = 9;
      expect(failure?.errno).toBe(EBADF);
      expect(stepAt(plan, failure?.entry ?? 0)?.name).toBe("fail");
    });
  },
);
