/**
 * The filter refuses calls that Landlock does not cover: they tell a task about the host, or change what the
 * host reads about the task.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { type SystemCall, systemCallNumber } from "../../src/effects/kernel/systemCalls.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { filterOf, TestRun, taskLines } from "../support/launch/launchRun.ts";

const number = (call: SystemCall) => systemCallNumber(call, process.arch === "arm64" ? "arm64" : "x64");
const filter = filterOf();

const perl = (script: string) => ({ command: "/usr/bin/perl", args: ["-e", script] });

it("NETLINK_SOCK_DIAG does not list the paths of the host's unix sockets", async () => {
  const path = `${temporaryFolder()}/secret.socket`;
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  // A unix_diag_req for the names of all sockets, in any state.
  const script = `
    socket(my $socket, 16, 3, 4) or do { print "$!\\n"; exit };
    my $request = pack("LSSLL CCSLLLLL", 40, 20, 0x301, 1, 0, 1, 0, 0, ~0 & 0xffffffff, 0, 1, (~0 & 0xffffffff) x 2);
    send($socket, $request, 0, pack("SSLL", 16, 0, 0, 0)) or die "$!\\n";
    my $all = "";
    until (index($all, pack("LS", 20, 3)) >= 0) { recv($socket, my $answer, 65536, 0); $all .= $answer } # NLMSG_DONE
    print index($all, "${path}") >= 0 ? "found" : "not found", "\\n";`;
  expect(await taskLines("", perl(script))).toEqual(["found"]);
  expect(await taskLines("", { ...perl(script), filter })).toEqual(["Protocol not supported"]);
});

it("listmount lists no mounts", async () => {
  const script = `
    my ($request, $found) = (pack("LLQQ", 24, 0, ~0, 0), "\\0" x 8192);
    my $count = syscall(${number("listmount")}, $request, $found, 1024, 0);
    print $count > 0 ? "mounts" : $!, "\\n"`;
  const [free] = await taskLines("", perl(script));
  expect(free).toMatch(/^(mounts|Function not implemented)$/);
  if (free !== "mounts") console.warn("NOT SHOWN to work without the filter: this kernel has no listmount");
  expect(await taskLines("", { ...perl(script), filter })).toEqual(["Function not implemented"]);
});

it("syslog does not read the kernel's log", async () => {
  const READ_ALL = 3;
  const script = `
    my $log = "\\0" x 65536;
    print syscall(${number("syslog")}, ${READ_ALL}, $log, 65536) > 0 ? "read" : $!, "\\n"`;
  const asRoot = { uid: 0, gid: 0 };
  expect(await taskLines("", { ...perl(script), ...asRoot })).toEqual(["read"]);
  expect(await taskLines("", { ...perl(script), ...asRoot, filter })).toEqual(["Operation not permitted"]);
});

it("PR_SET_MM_MAP does not forge the environment that the host reads", async () => {
  const PR_SET_MM = 35;
  const PR_SET_MM_MAP = 14;
  // A struct prctl_mm_map with the present values, except for the environment.
  const script = `
    $| = 1;
    my $size = 1 << 20;
    my $area = "A" x $size;
    my $begin = unpack("J", pack("p", $area));
    open(my $file, "<", "/proc/self/stat");
    my @stat = split / /, <$file> =~ s/.*\\) //r;
    my ($code, $end, $stack) = @stat[23, 24, 25];
    my ($data, $dataEnd, $brk, $args, $argsEnd) = @stat[42 .. 46];
    my $now = syscall(${number("brk")}, 0);
    my $map = pack("Q11 Q L l", $code, $end, $data, $dataEnd, $brk, $now, $stack, $args, $argsEnd, $begin, $begin + $size, 0, 0, -1);
    print syscall(${number("prctl")}, ${PR_SET_MM}, ${PR_SET_MM_MAP}, $map, length($map), 0) == 0 ? "moved" : $!, "\\n";
    sleep 1000`;
  const environOf = async (how: ReturnType<typeof filterOf>) => {
    using run = new TestRun();
    const { task } = await run.start({ ...perl(script), filter: how });
    await expect.poll(() => run.output()).not.toBe("");
    return { said: run.output(), bytes: readFileSync(`/proc/${task.pid}/environ`).length };
  };
  expect(await environOf(undefined)).toEqual({ said: "moved\n", bytes: 1 << 20 });
  expect(await environOf(filter)).toEqual({
    said: "Operation not permitted\n",
    bytes: "PATH=/usr/bin:/bin\0".length,
  });
});
