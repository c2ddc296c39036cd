/**
 * What a task may try against the host and against other tasks. Each attack is a block of Perl, so that one
 * task can try many, each in a process of its own. An attack only shows that it would work: it changes
 * nothing that others need.
 */
import { statSync } from "node:fs";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import type { Boundary } from "../../../src/effects/exceptions.ts";
import { type SystemCall, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import type { Allocation } from "../agent/allocation.ts";

/** What the attacks are aimed at. None of it is the attacker's, apart from what has its uid. */
export interface Target {
  /** The attacker's user. */
  readonly user: Allocation["user"];
  /** A process of the attacker's user outside of its task, as the host sees its pid. */
  readonly pid: number;
  /** A file that only root may read, in a folder of root, with the text "secret". */
  readonly secretFile: string;
  /** A handle of this file: its type, and its bytes as hex digits. */
  readonly secretHandle: readonly [type: number, bytes: string];
  /** A file of the attacker's user on the host, and a socket in the same folder, which everybody may enter. */
  readonly ownFile: string;
  readonly socket: string;
  /** The name of an abstract socket in the host's network namespace. */
  readonly abstractSocket: string;
  /** The key of a System V shared memory segment of the attacker's user. */
  readonly shmKey: number;
  /** The allocation's folder of another task, which runs as the attacker's user. */
  readonly neighbourFolder: string;
  /** Files beside {@link ownFile}: one that only the account `games` may read, and one that only the group `audio` may. */
  readonly accountFile: string;
  readonly groupFile: string;
  /** Folders with a file `own`, which only their owners may read: a user without an account, and root. */
  readonly volumes: { readonly others: string; readonly roots: string };
  /** The event log of the attacked plugin. */
  readonly eventLog: string;
}

/** Where the plugins of attacks serve metrics, one after the other. */
export const metricsPlaces = {
  port: 20_000 + (process.pid % 10_000),
  socket: `/run/exec2-attacks-${process.pid}.sock`,
} as const;

export interface Attack {
  readonly against: "host" | "task";
  readonly boundary: Boundary;
  /** Whether it affects all processes of its user: never to be tried as root on the host. */
  readonly affectsUser?: true;
  /** A block of Perl that returns true if the attack has worked, else false with the reason in `$!`. */
  readonly perl: (target: Target) => string;
}

const architecture = process.arch === "arm64" ? "arm64" : "x64";
const nr = (call: SystemCall) => systemCallNumber(call, architecture);
/** The host's cgroups. */
export const cgroupRoot = findCgroup2Mount() ?? "/sys/fs/cgroup";
const rootInode = statSync(cgroupRoot, { throwIfNoEntry: false })?.ino ?? 1;
/** At the same path, a task may see cgroups of its own (`cgroup_delegate`). */
const isHosts = `(((stat("${cgroupRoot}"))[1] // 0) == ${rootInode} || ($! = 1) && 0)`;
/** A call that works if it returns something other than -1. */
const call = (name: SystemCall, ...args: readonly (number | string)[]) =>
  `syscall(${[nr(name), ...args].join(", ")}) != -1`;

/** What a Perl block may use: `$room`, 4 KiB of zeroes for a call's results. */
const prelude = 'use Socket; use Fcntl; our $room = "\\0" x 4096; our $own = $ENV{NOMAD_TASK_DIR};';

const onOther = (name: SystemCall, args: (pid: number) => readonly (number | string)[]): Attack => ({
  against: "task",
  boundary: "processes",
  perl: ({ pid }) => call(name, ...args(pid)),
});

/** A call for all processes of the user. In a pid namespace of its own, these are the task's processes alone. */
const ofUser = (name: SystemCall, args: () => readonly (number | string)[]): Attack => ({
  against: "task",
  boundary: "processes",
  affectsUser: true,
  perl: ({ pid }) => `${call("getpriority", 0, pid)} && ${call(name, ...args())}`,
});

const onKernel = (perl: string): Attack => ({ against: "host", boundary: "kernel", perl: () => perl });

const readsMetrics = (address: string) => `
  my $address = ${address};
  socket(my $s, sockaddr_family($address), SOCK_STREAM, 0) or return 0;
  connect($s, $address) or return 0;
  syswrite($s, "GET /metrics HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n");
  join("", <$s>) =~ /^exec2_/m`;

const catalogue = {
  "reads root's file by its path": {
    against: "host",
    boundary: "files",
    perl: ({ secretFile }) => `open(my $f, "<", "${secretFile}") or return 0; <$f> =~ /secret/`,
  },
  "reads root's file by its handle": {
    against: "host",
    boundary: "files",
    // A struct file_handle. The first argument only names a file system, so any of its mounts will do; which
    // rule of Landlock decides depends on the kernel and on the mount.
    perl: ({ secretHandle: [type, bytes] }) => `
      my $handle = pack("Ll", ${bytes.length / 2}, ${type}) . pack("H*", "${bytes}");
      my $why = 0;
      for my $path ("/usr", "/usr/bin", "/tmp", $own, $ENV{NOMAD_ALLOC_DIR}, $ENV{NOMAD_SECRETS_DIR}, "/") {
        opendir(my $dir, $path) or next;
        my $fd = syscall(${nr("open_by_handle_at")}, fileno($dir), $handle, 0);
        $why = $! + 0;
        $fd != -1 && open(my $f, "<&=", $fd) or next;
        return 1 if <$f> =~ /secret/;
      }
      $! = $why;
      0`,
  },
  "sees the names in a folder of the host": {
    against: "host",
    boundary: "files",
    perl: ({ ownFile }) =>
      `opendir(my $d, "${folderOf(ownFile)}") or return 0; grep { $_ !~ /^\\.+$/ } readdir($d)`,
  },
  "writes a file of the host": {
    against: "host",
    boundary: "files",
    perl: ({ ownFile }) => `open(my $f, ">>", "${ownFile}")`,
  },
  "changes the mode of a file of the host": {
    against: "host",
    boundary: "files",
    perl: ({ ownFile }) => `chmod(0600, "${ownFile}")`,
  },
  "connects to a socket in a folder of the host": {
    against: "host",
    boundary: "files",
    perl: ({ socket }) =>
      `socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un("${socket}"))`,
  },
  "connects to an abstract socket of the host": {
    against: "host",
    boundary: "processes",
    perl: ({ abstractSocket }) =>
      `socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack("S", AF_UNIX) . "\\0${abstractSocket}")`,
  },
  "writes a setting of the kernel": {
    against: "host",
    boundary: "files",
    perl: () => 'open(my $f, ">", "/proc/sys/vm/swappiness")',
  },
  "reads a file of another task": {
    against: "task",
    boundary: "files",
    perl: ({ neighbourFolder }) =>
      `open(my $f, "<", "${neighbourFolder}/main/secrets/own") or return 0; <$f>`,
  },
  "writes into the shared folder of another allocation": {
    against: "task",
    boundary: "files",
    perl: ({ neighbourFolder }) => `open(my $f, ">>", "${neighbourFolder}/alloc/data/planted")`,
  },
  "reads a file of an account of the host": {
    against: "host",
    boundary: "accounts",
    perl: ({ accountFile }) => `open(my $f, "<", "${accountFile}") or return 0; <$f>`,
  },
  "reads a file of a group of the host": {
    against: "host",
    boundary: "accounts",
    perl: ({ groupFile }) => `open(my $f, "<", "${groupFile}") or return 0; <$f>`,
  },
  "reads a file of a volume's owner": {
    against: "host",
    boundary: "accounts",
    // In a task, volumes are below its folder.
    perl: ({ volumes }) => `
      for my $folder ("$own/others", "$own/roots", "${volumes.others}", "${volumes.roots}") {
        open(my $f, "<", "$folder/own") or next;
        return <$f>;
      }
      0`,
  },
  "reads the event log": {
    against: "host",
    boundary: "files",
    perl: ({ eventLog }) => `open(my $f, "<", "${eventLog}") or return 0; read($f, my $bytes, 16)`,
  },
  "reads the metrics of all tasks at their port": {
    against: "host",
    boundary: "records",
    perl: () => readsMetrics(`pack_sockaddr_in(${metricsPlaces.port}, inet_aton("127.0.0.1"))`),
  },
  "reads the metrics of all tasks on their socket": {
    against: "host",
    boundary: "files",
    perl: () => readsMetrics(`pack_sockaddr_un("${metricsPlaces.socket}")`),
  },
  "sees the cgroups of all tasks": {
    against: "task",
    boundary: "files",
    perl: () =>
      `${isHosts} && opendir(my $d, "${cgroupRoot}") or return 0; grep { $_ !~ /^\\.+$/ } readdir($d)`,
  },
  "leaves its cgroup, and with it its limits": {
    against: "host",
    boundary: "resources",
    perl: () => `${isHosts} && open(my $f, ">", "${cgroupRoot}/cgroup.procs")`,
  },
  "puts a symlink in place of a log file": {
    against: "host",
    boundary: "files",
    perl: () => `
      my $link = "$ENV{NOMAD_ALLOC_DIR}/logs/attack";
      symlink("/etc/shadow", $link) && unlink($link)`,
  },
  "signals another process": onOther("kill", (pid) => [pid, 18]),
  "traces another process": onOther("ptrace", (pid) => [0x4206, pid, 0, 0]), // PTRACE_SEIZE, which ends with the tracer
  "reads the memory of another process": {
    against: "task",
    boundary: "processes",
    // Fails with EFAULT at the address 0 once the kernel has allowed the access.
    perl: ({ pid }) => `
      my $iov = pack("J2", unpack("J", pack("p", $room)), 8);
      my $far = pack("J2", 4096, 8);
      ${call("process_vm_readv", pid, "$iov", 1, "$far", 1, 0)} || $! == 14`,
  },
  "reads the environment of another process": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `open(my $f, "<", "/proc/${pid}/environ") or return 0; <$f>`,
  },
  "reads the command line of another process": {
    against: "task",
    boundary: "command lines",
    // The script of the target, and not of an attack.
    perl: ({ pid }) =>
      `open(my $f, "<", "/proc/${pid}/cmdline") or return 0; <$f> =~ /^perl.-e.*SIG\\{CONT\\}/`,
  },
  "takes a descriptor of another process": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `
      my $fd = syscall(${nr("pidfd_open")}, ${pid}, 0);
      $fd != -1 && ${call("pidfd_getfd", "$fd", 0, 0)}`,
  },
  "limits another process": {
    against: "task",
    boundary: "processes",
    // RLIMIT_MSGQUEUE, which the process does not need. A limit on processor time would end it.
    perl: ({ pid }) => `my $limit = pack("QQ", 0, 0); ${call("prlimit64", pid, 12, "$limit", 0)}`,
  },
  "sets the priority of another process": onOther("setpriority", (pid) => [0, pid, 19]),
  "sets the priority of all processes of its user": ofUser("setpriority", () => [2, 0, 19]),
  "sets the processors of another process": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `my $mask = pack("Q", 1); ${call("sched_setaffinity", pid, 8, "$mask")}`,
  },
  "sets the scheduling of another process": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `my $param = pack("l", 0); ${call("sched_setscheduler", pid, 3, "$param")}`, // SCHED_BATCH
  },
  "sets the parameters of another process's scheduling": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `my $param = pack("l", 0); ${call("sched_setparam", pid, "$param")}`,
  },
  "sets the attributes of another process's scheduling": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `
      my $attr = pack("LLQlLQQQ", 48, 3, 0, 19, 0, 0, 0, 0);
      ${call("sched_setattr", pid, "$attr", 0)}`,
  },
  "sets the disk priority of another process": onOther("ioprio_set", (pid) => [1, pid, (2 << 13) + 7]),
  "sets the disk priority of all processes of its user": ofUser("ioprio_set", () => [
    ...[3, "$< + 0"],
    (2 << 13) + 7,
  ]),
  "moves the pages of another process": {
    against: "task",
    boundary: "processes",
    perl: ({ pid }) => `my $nodes = pack("Q", 1); ${call("migrate_pages", pid, 8, "$nodes", "$nodes")}`,
  },
  "attaches shared memory of the host": {
    against: "host",
    boundary: "ipc",
    perl: ({ shmKey }) => call("shmget", shmKey, 0, 0),
  },
  "leaves a key to the next task of its user": onKernel(
    `my ($type, $name) = ("user\\0", "exec2-attack\\0"); ${call("add_key", "$type", "$name", "$room", 4, -4)}`,
  ),
  "mounts a file system": onKernel(
    `my ($type, $at) = ("tmpfs\\0", "$own\\0"); ${call("mount", "$type", "$at", "$type", 0, 0)}`,
  ),
  "makes a user namespace": onKernel(call("unshare", 0x10000000)),
  "makes a mount namespace": onKernel(call("unshare", 0x20000)),
  "changes its root": onKernel(`chroot($own)`),
  "loads a program into the kernel": onKernel(
    // BPF_MAP_CREATE of an array.
    `my $attr = pack("L5", 2, 4, 4, 1, 0) . "\\0" x 100; ${call("bpf", 0, "$attr", 120)}`,
  ),
  "measures the processor": onKernel(
    // A software counter of the own process, in user mode only, which needs no capability by default.
    `my $attr = pack("LLQQQQQ", 1, 112, 0, 0, 0, 0, 0x60) . "\\0" x 60; ${call("perf_event_open", "$attr", 0, -1, -1, 0)}`,
  ),
  "pauses the kernel within a call": onKernel(call("userfaultfd", 1)), // UFFD_USER_MODE_ONLY
  "makes calls through io_uring": onKernel(call("io_uring_setup", 1, "$room")),
  "reads the kernel's log": onKernel(call("syslog", 3, "$room", 4096)),
  "lists the host's sockets": onKernel("socket(my $s, 16, SOCK_RAW, 4)"),
  "lists its mounts by listmount": onKernel(
    `my $request = pack("LLQQ", 24, 0, ~0, 0); ${call("listmount", "$request", "$room", 512, 0)}`,
  ),
  "makes a set-user-ID program": onKernel(`
    open(my $f, ">", "$own/program") or return 0;
    chmod(04755, "$own/program") && (stat "$own/program")[2] & 04000`),
  "sets the host's clock": onKernel(call("settimeofday", 0, 0)),
  "opens a disk by a device node of its own": {
    against: "host",
    boundary: "files",
    perl: () => `
      my $node = "$own/disk$$\\0";
      ${call("mknodat", -100, "$node", 0o60600, 0x0100)} or return 0; # /dev/ram0
      open(my $f, "<", "$own/disk$$") or $! == 6`,
  },
  "reads and forges packets": {
    against: "host",
    boundary: "network",
    perl: () => "socket(my $s, 17, SOCK_RAW, 0)",
  },
  "sends raw packets": {
    against: "host",
    boundary: "network",
    perl: () => "socket(my $s, AF_INET, SOCK_RAW, 1)",
  },
  "changes the host's network": {
    against: "host",
    boundary: "network",
    // RTM_NEWLINK without a link: EPERM comes before EINVAL and ENODEV.
    perl: () => `
      socket(my $s, 16, SOCK_RAW, 0) or return 0;
      send($s, pack("LSSLL", 32, 16, 5, 1, 0) . pack("CxSlLL", 0, 0, 0x7ffffff0, 0, 0), 0) or return 0;
      recv($s, my $answer, 4096, 0);
      $! = -unpack("x16l", $answer);
      $! != 1`,
  },
  "takes more than its share of terminals": {
    against: "task",
    boundary: "resources",
    perl: () => `
      my @all;
      for (1 .. 100) { open(my $f, "+<", "/dev/ptmx") or return 0; push @all, $f }
      1`,
  },
  "takes processors before all others": {
    against: "task",
    boundary: "resources",
    // SCHED_FIFO, which kernels with groups of real-time tasks refuse, or the highest priority of other tasks.
    perl: () => `
      my $priority = pack("l", 1);
      ${call("sched_setscheduler", 0, 1, "$priority")} || ${call("setpriority", 0, 0, -20)}`,
  },
  "takes requests for asynchronous input and output": {
    against: "task",
    boundary: "resources",
    perl: () => call("io_setup", 100, "$room"),
  },
} satisfies Readonly<Record<string, Attack>>;

export type AttackName = keyof typeof catalogue;

/** The attacks by their names. */
export const attacks: Readonly<Record<AttackName, Attack>> = catalogue;

export const attackNames = Object.keys(attacks) as AttackName[];

/**
 * A Perl script that tries attacks one after another, and prints a line for each: `name: worked`, or `name:
 * reason`.
 */
export function attackScript(names: readonly AttackName[], target: Target): string {
  const blocks = names.map((name) => `attack("${name}", sub { ${attacks[name].perl(target)} });`);
  return `${prelude}
    $| = 1;
    sub attack {
      my ($name, $try) = @_;
      my $pid = fork // die;
      if ($pid == 0) {
        alarm 20;
        $! = 0;
        my $worked = eval { $try->() };
        print "$name: ", $worked ? "worked" : $@ || "$!", "\\n";
        # Takes down nothing, which an emulated processor would take long for.
        syscall(${nr("exit_group")}, 0);
      }
      waitpid($pid, 0);
      print "$name: ended by signal ", $? & 127, "\\n" if $? != 0;
    }
    ${blocks.join("\n    ")}`;
}

/**
 * The outcomes in a script's output: `worked`, or the reason why not.
 * @throws Error for an attack with a mistake, which no protection has stopped
 */
export function attackOutcomes(output: string): ReadonlyMap<AttackName, string> {
  return new Map(
    output.split("\n").flatMap((line) => {
      if (line.includes(" at -e line ")) throw new Error(line);
      const name = attackNames.find((each) => line.startsWith(`${each}: `));
      return name === undefined ? [] : [[name, line.slice(name.length + 2)]];
    }),
  );
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
