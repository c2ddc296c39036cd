/** Programs make system calls with numbers of other ABIs, which the filter does not know. */
import { chmodSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { skipLoudly } from "../support/host/requireTools.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { filterOf, TestRun } from "../support/launch/launchRun.ts";

const CODE_ADDRESS = 0x400000;

/** An ELF file of one segment: elf(5). */
function program(bits: 32 | 64, code: readonly number[]): Buffer {
  const is64 = bits === 64;
  const headers = is64 ? 64 + 56 : 52 + 32;
  const file = Buffer.alloc(headers + code.length);
  const [EM_386, EM_X86_64] = [3, 62];
  file.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(is64 ? EM_X86_64 : EM_386, 18);
  file.writeUInt32LE(1, 20);
  const word = (value: number, at64: number, at32: number) =>
    is64 ? file.writeBigUInt64LE(BigInt(value), at64) : file.writeUInt32LE(value, at32);
  word(CODE_ADDRESS + headers, 24, 24); // entry
  word(headers - (is64 ? 56 : 32), 32, 28); // program headers
  file.writeUInt16LE(is64 ? 64 : 52, is64 ? 52 : 40);
  file.writeUInt16LE(is64 ? 56 : 32, is64 ? 54 : 42);
  file.writeUInt16LE(1, is64 ? 56 : 44);
  const segment = headers - (is64 ? 56 : 32);
  file.writeUInt32LE(1, segment); // PT_LOAD
  file.writeUInt32LE(5, segment + (is64 ? 4 : 24)); // read and execute
  word(CODE_ADDRESS, segment + 16, segment + 8);
  word(CODE_ADDRESS, segment + 24, segment + 12);
  word(file.length, segment + 32, segment + 16);
  word(file.length, segment + 40, segment + 20);
  word(0x1000, segment + 48, segment + 28);
  file.set(code, headers);
  return file;
}

/** `exit(7)` of i386: mov eax, 1; mov ebx, 7; int 0x80. */
const exit7 = [0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80];

/**
 * For x86-64: calls `getppid` of x32 (number 110 with bit 30), and exits with its negated error: mov eax,
 * 0x4000006e; syscall; neg eax; mov edi, eax; mov eax, 231; syscall.
 */
const x32Error = [0xb8, 0x6e, 0, 0, 0x40, 0x0f, 0x05, 0xf7, 0xd8, 0x89, 0xc7, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];

interface End {
  readonly exitCode: number;
  readonly signal: number;
}

async function endOf(file: Buffer, filter: ReturnType<typeof filterOf>): Promise<End | undefined> {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  writeFileSync(`${folder}/program`, file, { mode: 0o755 });
  using run = new TestRun();
  await run.start({ command: `${folder}/program`, filter });
  const ended = await run.ended();
  return ended && { exitCode: ended.exitCode, signal: ended.signal };
}

const SIGSYS = 31;
const ENOSYS = 38;

describe.runIf(process.arch === "x64")("on x86-64", () => {
  it.for([
    ["a 32-bit program", program(32, exit7)],
    ["a 64-bit program that makes 32-bit calls", program(64, exit7)],
  ] as const)("%s is killed, whatever its filter refuses", async ([what, file], context) => {
    const free = await endOf(file, undefined).catch(() => undefined);
    if (free?.exitCode !== 7) skipLoudly(context, `a kernel that runs ${what}`);
    const unconfined = { profile: "unconfined" } as const;
    const limited = [{ connectTcp: [] }, { diskLimit: 10 }].map((options) => filterOf(unconfined, options));
    for (const filter of [filterOf(), ...limited]) {
      expect(await endOf(file, filter)).toEqual({ exitCode: 0, signal: SIGSYS });
    }
  });

  it("there are no calls of the x32 ABI", async () => {
    expect(await endOf(program(64, x32Error), filterOf())).toEqual({ exitCode: ENOSYS, signal: 0 });
  });
});
