/** Modified ELF files are linked by this machine's own linker, and run. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { embeddedCode, embeddedFunctions } from "../../../scripts/executable/buildExecutable.ts";
import { dropLibrary, embedFunctions, strip } from "../../../scripts/executable/elf.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const sources = new URL("../../../scripts/executable/", import.meta.url).pathname;
const architectures = [
  { arch: "x64", tools: "x86_64-linux-gnu-", format: "elf64-x86-64" },
  { arch: "arm64", tools: "aarch64-linux-gnu-", format: "elf64-littleaarch64" },
] as const;

describe.each(architectures)("the code that is added to the executable for $arch", ({ arch, tools }) => {
  it("equals its assembled listing, with its functions at the stated offsets", (context) => {
    const prefix = arch === process.arch ? "" : tools;
    const [as, objcopy, nm] = ["as", "objcopy", "nm"].map((tool) => prefix + tool) as [
      string,
      string,
      string,
    ];
    requireTools(context, as, objcopy, nm);
    const [object, code] = ["object", "code"].map((name) => join(temporaryFolder(), name)) as [
      string,
      string,
    ];
    execFileSync(as, ["-o", object, join(sources, `${arch}.s`)]);
    execFileSync(objcopy, ["-O", "binary", "-j", ".text", object, code]);
    expect(readFileSync(code).toString("base64")).toBe(embeddedCode[arch]);
    const symbols = execFileSync(nm, [object], { encoding: "utf8" }).matchAll(/^(\w+) t (\w{2,})$/gm);
    expect(
      Object.fromEntries([...symbols].map(([, at, name]) => [name, Number.parseInt(at ?? "", 16)])),
    ).toEqual(embeddedFunctions);
  });
});

describe("a program that imports functions", () => {
  const main = `
    #include <stdio.h>
    #include <stdbool.h>
    #include <sys/resource.h>
    bool cas(size_t, void *, void *, void *, int, int) __asm__("__atomic_compare_exchange");
    int setrlimit64(__rlimit_resource_t, const struct rlimit64 *);
    int getrlimit64(__rlimit_resource_t, struct rlimit64 *);
    int other(void);
    int main(void) {
      struct rlimit64 files, stack;
      int got = getrlimit64(RLIMIT_NOFILE, &files) + getrlimit64(RLIMIT_STACK, &stack) + getrlimit64(99, &stack);
      unsigned long memory = 5, expected = 5, desired = 7;
      bool first = cas(8, &memory, &expected, &desired, 4, 2);
      bool second = cas(8, &memory, &expected, &desired, 4, 2);
      printf("%d %d %lu %lu %d %d\\n", first, second, memory, expected, setrlimit64(RLIMIT_NOFILE, 0), other());
      printf("%d %llu %llu\\n", got, (unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_max);
    }`;
  let folder: string;
  let program: Buffer;

  it("can contain them instead of needing their library, and keeps its other imports", (context) => {
    buildProgram(context);
    const changed = dropLibrary(embedFunctions(program, ownCode(), embeddedFunctions), "libatomic.so.1");
    rmSync(join(folder, "libatomic.so.1"));
    expect(run(strip(changed))).toMatch(/^1 0 7 7 -1 42\n-1 \d+ \d+\n$/);
    expect(strip(changed).byteLength).toBeLessThan(program.byteLength);
  });

  it("keeps its limit of open files, but has at least as many as a runtime needs", (context) => {
    buildProgram(context);
    writeFileSync(join(folder, "changed"), embedFunctions(program, ownCode(), embeddedFunctions), {
      mode: 0o755,
    });
    const limited = (limits: string, ...wrapper: string[]) => {
      const [command = "", ...args] = [...wrapper, "sh", "-c", `${limits}; exec "${folder}/changed"`];
      const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
      return { status, shown: stdout.split("\n")[1] ?? "", stderr };
    };
    expect(limited("ulimit -n 200")).toMatchObject({ status: 0, shown: "-1 200 200" });
    expect(limited("ulimit -Sn 20; ulimit -Hn 90")).toMatchObject({ status: 0, shown: "-1 64 90" });
    // In many containers root lacks CAP_SYS_RESOURCE and cannot raise a hard limit.
    if (mayRaise()) expect(limited("ulimit -n 20")).toMatchObject({ status: 0, shown: "-1 64 64" });
    expect(limited("ulimit -n 30", "unshare", "--user")).toMatchObject({ status: 0, shown: "-1 30 30" });
    expect(limited("ulimit -n 20", "unshare", "--user")).toEqual({
      status: 125,
      shown: "",
      stderr: "error: too many open files\nhint: Raise the limit of open files: ulimit -n 64\n",
    });
  });

  it("is refused if it lacks the library or the function to replace", (context) => {
    buildProgram(context);
    expect(() => dropLibrary(program, "libnone.so")).toThrow("does not need libnone.so");
    expect(() => embedFunctions(program, ownCode(), { none: 0 })).toThrow("does not import none");
    expect(() => embedFunctions(program, Buffer.alloc(1 << 20), embeddedFunctions)).toThrow("no room");
    expect(() => strip(Buffer.from("#!/bin/sh\n"))).toThrow("not a 64-bit ELF file");
  });

  function buildProgram(context: TestContext): void {
    requireTools(context, "cc");
    folder = temporaryFolder();
    const library = (name: string, version: string, code: string) => {
      writeFileSync(join(folder, "map"), `${version} { global: *; };`);
      const options = ["-shared", "-fPIC", `-Wl,--version-script=${join(folder, "map")},-soname,${name}`];
      compile(code, [...options, "-o", join(folder, name)]);
      return join(folder, name);
    };
    const atomic = library(
      "libatomic.so.1",
      "LIBATOMIC_1.0",
      'int cas(void) __asm__("__atomic_compare_exchange"); int cas(void) { return -1; }',
    );
    const other = library("libother.so.1", "OTHER_1.0", "int other() { return 42; }");
    const linked = ["-no-pie", "-Wl,-z,now,--allow-shlib-undefined", atomic, other, `-Wl,-rpath,${folder}`];
    compile(main, [...linked, "-o", join(folder, "program")]);
    program = readFileSync(join(folder, "program"));
  }

  function compile(code: string, options: readonly string[]): void {
    const args = ["-D_GNU_SOURCE", "-fno-builtin", "-xc", "-", "-xnone", ...options];
    execFileSync("cc", args, { input: code, stdio: ["pipe", "pipe", "pipe"] });
  }

  function run(elf: Buffer): string {
    const path = join(folder, "changed");
    writeFileSync(path, elf, { mode: 0o755 });
    const { stdout, stderr } = spawnSync(path, { encoding: "utf8" });
    return stdout + stderr;
  }
});

function mayRaise(): boolean {
  return spawnSync("sh", ["-c", "ulimit -n 20; ulimit -Hn 21"]).status === 0;
}

function ownCode(): Buffer {
  return Buffer.from(embeddedCode[process.arch === "arm64" ? "arm64" : "x64"], "base64");
}
