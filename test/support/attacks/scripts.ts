/** Attacks on the sandbox as shell scripts, each of which prints whether it has succeeded. */
import { type SystemCall, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";

/** Become root in an own user namespace. */
export const ownNamespaces = {
  "by unshare": "unshare --user --map-root-user sh -c 'id -u; hostname x 2>&1 || true'",
  "by clone": "unshare --user --map-root-user --pid --fork sh -c 'id -u'",
} as const;

/** Reach the kernel's packet filter through an own network namespace. */
export const packetFilter = `unshare --user --map-root-user --net perl -e '
    for ([16, 3, 12], [17, 3, 0]) { print socket(my $socket, $$_[0], $$_[1], $$_[2]) ? "open" : "$!", "\\n" }'`;

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

/** Make a program `program` with the set-user-ID bit in the working directory. */
export const setUserIdFiles: Readonly<Record<string, string>> = {
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
