/** A task leaves programs with set-user-ID bits where users of the host can execute them. */
import { execFileSync } from "node:child_process";
import { chmodSync, statSync } from "node:fs";
import { expect, it } from "vitest";
import { type SystemCall, systemCallNumber } from "../../src/effects/kernel/systemCalls.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { filterOf, taskLines, taskUid } from "../support/launch/launchRun.ts";

const number = (call: SystemCall) => systemCallNumber(call, process.arch === "arm64" ? "arm64" : "x64");

/** Includes `O_DIRECTORY`, which is another bit on arm64. */
const O_TMPFILE = 0o20000000 | (process.arch === "arm64" ? 0o40000 : 0o200000);

/**
 * A perl script in which `call` makes a system call or ends with its error. Strings are in variables, because
 * Perl's syscall() refuses string constants.
 */
const perl = (script: string) => `perl -MFcntl -e '
  my ($program, $empty, $how) = ("program\\0", "\\0", pack("QQQ", O_CREAT | O_WRONLY, 04755, 0));
  sub call { my ($number, @args) = @_; syscall($number, @args) >= 0 or die "$!\\n" }
  ${script}'`;

/** Each script creates a file with the bit. */
const ways: Readonly<Record<string, string>> = {
  "chmod(1) of a program": "cp /usr/bin/id program && chmod 4755 program",
  "fchmod of a program": `cp /usr/bin/id program && ${perl('open(my $f, "<", "program"); call(NUMBER, fileno($f), 04755)').replace("NUMBER", String(number("fchmod")))}`,
  fchmodat2: `cp /usr/bin/id program && ${perl(`call(${number("fchmodat2")}, -100, $program, 04755, 0)`)}`,
  "the mode of a new file": perl('sysopen(my $f, "program", O_CREAT | O_WRONLY, 04755) or die "$!\\n"'),
  "the mode of a new file, in memory": perl(`call(${number("openat2")}, -100, $program, $how, 24)`),
  "the mode of a file without a name": perl(`
    sysopen(my $f, ".", 0${O_TMPFILE.toString(8)} | O_WRONLY, 04755) or die "$!\\n";
    my $link = "/proc/self/fd/" . fileno($f) . "\\0";
    call(${number("linkat")}, -100, $link, -100, $program, 0x400)`),
  mknod: perl(`call(${number("mknodat")}, -100, $program, 0104755, 0)`),
};

it.each(Object.keys(ways))("%s leaves such a file only without the filter", async (way) => {
  const attempt = async (filter: ReturnType<typeof filterOf>) => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o777);
    const said = await taskLines(`${ways[way]} 2>&1`, { workDir: folder, filter });
    return { folder, said: said.join("\n"), left: bitsOf(`${folder}/program`) };
  };
  const free = await attempt(undefined);
  expect(free).toMatchObject({ said: "", left: 0o4000 });
  const { said, left } = await attempt(filterOf());
  expect(said).toMatch(way.endsWith("in memory") ? /Function not implemented/ : /Operation not permitted/);
  expect(left).toBe(0);
});

it("anyone who runs such a program has the task's rights", async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  await taskLines("cp /usr/bin/id program && chmod 4755 program", { workDir: folder });
  const stranger = { uid: 65_534, gid: 65_534, encoding: "utf8" } as const;
  expect(execFileSync(`${folder}/program`, ["-u"], stranger)).toBe(`${taskUid}\n`);
});

it("other modes are still allowed, and mkdir ignores such bits anyway", async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  const script =
    "touch a && chmod 1755 a && mkdir -m 700 b && install -m 640 a c && perl -e 'mkdir(\"d\", 06755)' && stat -c %a a b c d";
  expect(await taskLines(script, { workDir: folder, filter: filterOf() })).toEqual([
    "1755",
    "700",
    "640",
    "755",
  ]);
});

/** The set-user-ID and set-group-ID bits of a file; 0 if it does not exist. */
function bitsOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o6000;
}
