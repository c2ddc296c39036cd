/** A run's logger writes the task's output into files, byte for byte, whatever the task does. */
import { execFileSync } from "node:child_process";
import { createHash, hash, randomInt } from "node:crypto";
import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { mkfifo, pipeFill } from "../../../src/effects/kernel/libc.ts";
import { systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { type Logger, newStream } from "../../../src/effects/logs/logger.ts";
import { readEndsOf } from "../../../src/effects/logs/loggerStart.ts";
import { isSameProcess } from "../../../src/effects/processes/processIdentity.ts";
import { smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { until } from "../../support/host/until.ts";
import { LoggedRun } from "../../support/launch/loggedRun.ts";
import { rounds } from "../../support/rounds.ts";

const KiB = 2 ** 10;
const MiB = 2 ** 20;

/** Runs a script to its end, and returns the run, whose files are complete then. */
async function logged(script: string, options: ConstructorParameters<typeof LoggedRun>[0] = {}) {
  const run = new LoggedRun(options);
  await run.startLogged(script);
  await run.ended();
  await run.logged();
  return run;
}

const atIndex = (index: number): Logger["streams"] => ({
  stdout: { ...newStream, index },
  stderr: { ...newStream, index },
});

const md5 = (bytes: Uint8Array) => hash("md5", bytes);

/** Like random bytes, and the same every time: AES in counter mode. */
const binary = (bytes: number) =>
  `head -c ${bytes} /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0`;

describe("the output", () => {
  it("goes to a file for each stream, which belongs to root", async () => {
    using run = await logged("echo out; echo err >&2; umask 077; echo more");
    expect(run.logContent("stdout").toString()).toBe("out\nmore\n");
    expect(run.logContent("stderr").toString()).toBe("err\n");
    const { mode, uid } = statSync(run.file("stdout", 0));
    expect({ mode: mode & 0o7777, uid }).toEqual({ mode: 0o644, uid: 0 });
    expect(run.record()?.stdout).toEqual({ ...newStream, beginBytes: 0, endBytes: 9, files: 1, ended: true });
  });

  it("is complete, byte for byte, over many files of binary", async () => {
    const size = rounds(50, 1000) * 1_000_000;
    using run = await logged(binary(size), { maxFiles: 1000, maxFileBytes: 4 * MiB });
    expect(run.indexes("stdout").length).toBeGreaterThanOrEqual(size / (4 * MiB));
    const sum = createHash("md5");
    for (const index of run.indexes("stdout")) sum.update(readFileSync(run.file("stdout", index)));
    const expected = execFileSync("sh", ["-c", `${binary(size)} | md5sum`], { encoding: "utf8" });
    expect(sum.digest("hex")).toBe(expected.split(" ")[0]);
    const { finishedBytes, endBytes } = run.record()?.stdout ?? newStream;
    expect(finishedBytes + endBytes).toBe(size);
  });

  it("is complete with a million short lines on both streams, each line in one file", async () => {
    using run = await logged("seq 1 1000000 >&2 & seq 1 1000000; wait");
    const lines = Array.from({ length: 1_000_000 }, (_, n) => `${n + 1}\n`).join("");
    for (const stream of ["stdout", "stderr"] as const) {
      expect(md5(run.logContent(stream))).toBe(md5(Buffer.from(lines)));
      expect(run.indexes(stream)).toHaveLength(7);
      for (const index of run.indexes(stream)) {
        const content = readFileSync(run.file(stream, index));
        expect(content.length).toBeLessThanOrEqual(MiB);
        expect(content.at(-1)).toBe("\n".charCodeAt(0));
      }
    }
  });

  it("of a line that does not fit goes to the next file, and one that fits nowhere is cut", async () => {
    const line = (character: string, length: number) =>
      `head -c ${length} /dev/zero | tr '\\0' ${character}; echo; sleep 0.05`;
    using run = await logged([line("a", 6000), line("b", 6000), line("c", 20_000)].join("; "), {
      maxFileBytes: 8192,
    });
    const sizes = run.indexes("stdout").map((index) => statSync(run.file("stdout", index)).size);
    expect(sizes.slice(0, 2)).toEqual([6001, 6001]);
    expect(Math.max(...sizes)).toBe(8192);
    expect(run.logContent("stdout")).toHaveLength(32_003);
  });

  it("is in the newest files only, as many as allowed", async () => {
    using run = await logged("seq 1 1000000", { maxFiles: 3 });
    expect(run.indexes("stdout")).toEqual([4, 5, 6]);
    expect(run.logContent("stdout").toString().endsWith("\n1000000\n")).toBe(true);
  });

  it("goes on at the end of the newest file, and begins the next if that is full", async () => {
    using run = new LoggedRun({
      streams: { stdout: { ...newStream, index: 7 }, stderr: { ...newStream, index: 2 } },
    });
    writeFileSync(run.file("stdout", 7), "before\n");
    writeFileSync(run.file("stderr", 2), Buffer.alloc(MiB));
    await run.startLogged("echo after; echo after >&2");
    await run.ended();
    await run.logged();
    expect(readFileSync(run.file("stdout", 7), "utf8")).toBe("before\nafter\n");
    expect(readFileSync(run.file("stderr", 3), "utf8")).toBe("after\n");
    const { stdout, stderr } = run.record() ?? run.logger.streams;
    expect(stdout).toMatchObject({ index: 7, beginBytes: 7, endBytes: 13, files: 0 });
    expect(stderr).toMatchObject({ index: 3, finishedBytes: 0, beginBytes: 0, endBytes: 6, files: 1 });
  });

  it("is shown to a reader that follows, once, over twenty rotations", async () => {
    using run = new LoggedRun({ maxFileBytes: 65_536 });
    await run.startLogged("for i in $(seq 1 40); do seq 1 10000; sleep 0.02; done");
    const shown = await follow(run);
    await run.ended();
    expect(run.indexes("stdout").length).toBeGreaterThan(20);
    expect(md5(shown)).toBe(md5(run.logContent("stdout")));
    expect(shown).toHaveLength(40 * 48_894);
  });

  it("waits for the rate once more than a second's has come, and so does the task", async () => {
    const taken = 1024;
    using run = new LoggedRun({ bytesPerSecond: taken });
    const { init } = await run.startLogged(`head -c 300000 /dev/zero; echo done >&2`);
    // What is taken in one move is more than a minute's output, and the rest is more than two pipes can hold.
    await until(() => run.record()?.held === true, "output waits for the rate");
    expect(run.logContent("stderr")).toHaveLength(0);
    const waits = () => pipeFill(ends?.stdoutRead ?? -1);
    const ends = readEndsOf(init);
    for (const end of Object.values(ends ?? {})) onTestFinished(() => closeSync(end));
    await until(() => waits().bytes === waits().size, "the pipe is full");
    expect(isSameProcess(init)).toBe(true);
    expect(run.logContent("stdout").length + waits().size).toBeLessThan(300_000);
  });

  it.each([
    ["is all there, and has waited, if it came faster than the rate", 64 * KiB, 256 * KiB, true],
    ["has not waited if it is no more than a second's", 1024 * KiB, 512 * KiB, false],
    ["has not waited without a rate", 0, 8 * MiB, false],
  ])("%s", async (_, bytesPerSecond, size, held) => {
    using run = await logged(binary(size), { bytesPerSecond });
    const expected = execFileSync("sh", ["-c", `${binary(size)} | md5sum`], { encoding: "utf8" });
    expect(md5(run.logContent("stdout"))).toBe(expected.split(" ")[0]);
    expect(run.record()?.held).toBe(held);
  });

  it("of processes that outlive the command is not lost", async () => {
    using run = await logged(
      "(trap '' TERM; i=0; while :; do echo $((i += 1)); done) & sleep 0.3; echo last >&2",
    );
    const lines = run.logContent("stdout").toString().trimEnd().split("\n");
    expect(lines).toEqual(lines.map((_, n) => String(n + 1)));
    expect(run.record()?.stdout.ended).toBe(true);
  });

  it("can be written through /dev/stdout and /dev/stderr, which the task opens again", async () => {
    using run = await logged("echo a > /dev/stdout; echo b | tee /dev/stderr; echo c >> /proc/self/fd/2");
    expect(run.logContent("stdout").toString()).toBe("a\nb\n");
    expect(run.logContent("stderr").toString()).toBe("b\nc\n");
  });

  it("does not stop the logger if it is pages of a file that are truncated before they are written", async () => {
    const splice = systemCallNumber("splice", process.arch === "arm64" ? "arm64" : "x64");
    const program = `
      open my $file, "+>", "$ARGV[0]" or die $!;
      syswrite $file, "x" x 65536;
      seek $file, 0, 0;
      syscall(${splice}, fileno($file), 0, 1, 0, 65536, 0) > 0 or die $!;
      truncate $file, 0;
      print STDERR "spliced\\n";`;
    using run = await logged(`exec perl -e '${program}' /tmp/exec2-spliced.$$`);
    expect(run.logContent("stderr").toString()).toBe("spliced\n");
    expect(run.record()?.stdout.ended).toBe(true);
  });
});

describe("a logger that is killed", () => {
  it("is replaced by another that goes on in the same file; the task neither ends nor loses output", async () => {
    using run = new LoggedRun({ maxFileBytes: 1024 * MiB });
    const launched = await run.startLogged(
      `until [ -e ${run.logs}/go ]; do seq 1 5000; sleep 0.02; done; echo end >&2`,
    );
    const writtenBytes = () => run.logContent("stdout").length;
    for (let killed = 0; killed < rounds(10, 100); killed += 1) {
      const before = writtenBytes();
      // Each logger writes something before it is killed.
      await until(() => writtenBytes() > before, "the logger has written");
      const logger = run.record()?.logger;
      if (logger === undefined) throw new Error("no logger");
      process.kill(logger.pid, "SIGKILL");
      await run.logged();
      expect(run.record()?.stdout.ended).toBe(false);
      await run.startAgain(launched);
    }
    writeFileSync(join(run.logs, "go"), "");
    await run.ended();
    await run.logged();
    const content = run.logContent("stdout").toString();
    const round = Array.from({ length: 5000 }, (_, n) => `${n + 1}\n`).join("");
    expect(content).toBe(round.repeat(Math.ceil(content.length / round.length)));
    expect(run.logContent("stderr").toString()).toBe("end\n");
    const { finishedBytes, endBytes, beginBytes, ended } = run.record()?.stdout ?? newStream;
    expect(finishedBytes + endBytes - (beginBytes ?? 0)).toBe(content.length);
    expect(ended).toBe(true);
  });

  it("loses nothing, wherever in a file it was", async () => {
    using run = new LoggedRun({ maxFileBytes: 65_536 });
    const gatePath = join(run.logs, "gate");
    mkfifo(gatePath, 0o600);
    chmodSync(gatePath, 0o666);
    const gate = openSync(gatePath, "r+");
    const launched = await run.startLogged(
      `while read -r go && [ $go = go ]; do seq 1 20000; done < ${gatePath}`,
    );
    const count = rounds(30, 300);
    for (let killed = 0; killed < count; killed += 1) {
      const { index } = (await recorded(run))?.stdout ?? newStream;
      writeSync(gate, "go\n");
      // Without a turn of the event loop, in which the logger would write all of it.
      while ((run.record()?.stdout.index ?? 0) === index);
      for (let spin = randomInt(20_000); spin > 0; spin -= 1);
      process.kill(run.record()?.logger?.pid ?? 0, "SIGKILL");
      await run.logged();
      await run.startAgain(launched);
    }
    writeSync(gate, "end\n");
    closeSync(gate);
    await run.ended();
    await run.logged();
    const lines = Array.from({ length: 20_000 }, (_, n) => `${n + 1}\n`).join("");
    expect(run.logContent("stdout").toString() === lines.repeat(count)).toBe(true);
    for (const index of run.indexes("stdout").slice(0, -1))
      expect(readFileSync(run.file("stdout", index)).at(-1)).toBe("\n".charCodeAt(0));
  });

  it("makes the task wait, but not end, as long as there is none", async () => {
    using run = new LoggedRun();
    const launched = await run.startLogged("sleep 0.2; seq 1 100000; echo done >&2");
    const { logger } = (await recorded(run)) ?? {};
    process.kill(logger?.pid ?? 0, "SIGKILL");
    await run.logged();
    await sleep(400);
    expect(isSameProcess(launched.task)).toBe(true);
    await run.startAgain(launched);
    await run.ended();
    await run.logged();
    expect(run.logContent("stdout")).toHaveLength(588_895);
    expect(run.logContent("stderr").toString()).toBe("done\n");
  });

  it("is not replaced while it lives", async () => {
    using run = new LoggedRun();
    const launched = await run.startLogged("sleep 0.3; echo once");
    const first = await recorded(run);
    await run.startAgain(launched);
    await run.ended();
    await run.logged();
    expect(run.record()?.logger).toEqual(first?.logger);
    expect(run.logContent("stdout").toString()).toBe("once\n");
  });
});

describe("a logger that cannot write", () => {
  it("lets the task go on, counts what is lost, and says so when there is room again", async () => {
    using run = new LoggedRun({ logs: join(smallFileSystem("2m"), "logs"), maxFileBytes: 64 * MiB });
    await run.startLogged(
      `head -c ${8 * MiB} /dev/zero; echo full >&2; while [ ! -e ${run.logs}/go ]; do sleep 0.05; done; sleep 1.5; echo back`,
    );
    await until(() => (run.record()?.stdout.lostBytes ?? 0) > 5 * MiB, "all output of the task is lost");
    expect(run.record()?.stdout).toMatchObject({ errno: 28, ended: false });
    truncateSync(run.file("stdout", 0), 4096);
    writeFileSync(join(run.logs, "go"), "");
    await run.ended();
    await run.logged();
    const { lostBytes } = run.record()?.stdout ?? newStream;
    const text = run.logContent("stdout").subarray(4096).toString();
    expect(text).toBe(
      `\n[exec2: ${lostBytes} bytes of this output are lost: writing this file failed with errno 28]\nback\n`,
    );
    expect(lostBytes).toBeGreaterThan(5 * MiB);
  });

  it("because the folder is gone ends with the task", async () => {
    using run = new LoggedRun();
    await run.startLogged("echo a; sleep 0.5; seq 1 1000000; echo b >&2");
    await recorded(run);
    renameSync(run.logs, `${run.logs}.away`);
    await run.ended();
    await run.logged();
    expect(run.record()?.stdout.ended).toBe(true);
  });
});

describe("names in the folder that others have made", () => {
  it("do not mislead it: links, FIFOs and folders where it begins and continues", async () => {
    using run = new LoggedRun({ streams: atIndex(3), maxFileBytes: 65_536 });
    const secret = join(run.folder, "secret");
    writeFileSync(secret, "secret\n");
    symlinkSync(secret, run.file("stdout", 3));
    linkSync(secret, run.file("stderr", 3));
    mkfifo(run.file("stdout", 4), 0o666);
    mkdirSync(run.file("stdout", 5));
    mkdirSync(run.file("stdout", 6));
    writeFileSync(join(run.file("stdout", 6), "kept"), "");
    symlinkSync("/dev/null", run.file("stdout", 7));
    writeFileSync(run.file("stdout", 999_999), "");
    await run.startLogged("seq 1 50000; echo err >&2");
    await run.ended();
    await run.logged();
    expect(readFileSync(secret, "utf8")).toBe("secret\n");
    expect(run.indexes("stdout")).toEqual([3, 4, 5, 6, 7, 8, 999_999]);
    const written = [3, 4, 5, 7, 8].map((index) => readFileSync(run.file("stdout", index)));
    expect(Buffer.concat(written).toString()).toBe(
      Array.from({ length: 50_000 }, (_, n) => `${n + 1}\n`).join(""),
    );
    expect(readFileSync(run.file("stderr", 3), "utf8")).toBe("err\n");
  });

  it("do not mislead it: those that the task makes while it writes", async () => {
    using run = new LoggedRun({ maxFileBytes: 65_536 });
    await run.startLogged(`
      cd ${run.logs}
      for i in $(seq 1 60); do ln -s /etc/passwd t.stdout.$i; done
      for i in $(seq 1 60); do seq 1 1000; ln -s /etc/passwd t.stdout.$((i / 2)); mkfifo t.stdout.$i; done 2>/dev/null
    `);
    await run.ended();
    await run.logged();
    expect(run.record()?.stdout).toMatchObject({ lostBytes: 0, ended: true });
    const written = run.indexes("stdout").filter((index) => lstatSync(run.file("stdout", index)).isFile());
    const content = written.map((index) => readFileSync(run.file("stdout", index), "utf8")).join("");
    expect(run.indexes("stdout").length).toBeGreaterThan(written.length);
    expect(content).toBe(
      Array.from({ length: 1000 }, (_, n) => `${n + 1}\n`)
        .join("")
        .repeat(60),
    );
  });
});

describe("the logger as a process", () => {
  it("takes little memory, and has no more rights and descriptors than it needs", async () => {
    using run = new LoggedRun();
    await run.startLogged("seq 1 100000; sleep 0.5");
    const pid = (await recorded(run))?.logger?.pid;
    await sleep(200);
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    expect(Number(/^Pss: +(\d+) kB/m.exec(rollup)?.[1])).toBeLessThanOrEqual(24);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    expect(status).toMatch(/^CapPrm:\t000000000000000a$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    // Only root may look into a process that cannot be dumped.
    expect(statSync(`/proc/${pid}/environ`).uid).toBe(0);
    await run.ended();
    await run.logged();
  });

  it("ends without a file if the launch is abandoned", async () => {
    using run = new LoggedRun();
    await run.abandonLogged();
    await run.logged();
    expect(run.indexes("stdout")).toEqual([]);
  });
});

async function recorded(run: LoggedRun) {
  await until(() => run.record() !== undefined, "the logger has begun");
  return run.record();
}

/** Follows a stream as the agent's readers do: to the end of a file, then from the begin of the next one. */
async function follow(run: LoggedRun): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(65_536);
  await recorded(run);
  let isOver = false;
  void run.logged().then(() => {
    isOver = true;
  });
  for (let index = 0; ; index += 1) {
    const file = openSync(run.file("stdout", index), "r");
    try {
      for (;;) {
        const wasOver = isOver;
        const isLast = !run.indexes("stdout").some((other) => other > index);
        const length = readSync(file, chunk, 0, chunk.length, null);
        if (length > 0) chunks.push(Buffer.from(chunk.subarray(0, length)));
        else if (!isLast) break;
        else if (wasOver) return Buffer.concat(chunks);
        else await sleep(5);
      }
    } finally {
      closeSync(file);
    }
  }
}
