/**
 * A task hands descriptors to its neighbour in the allocation, or to a task of another allocation in a volume of both,
 * which uses them while the task runs, after its end, without its cgroup, and after the plugin was killed. Each use
 * works between two processes without a sandbox.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { startAgent, startTask, waitTask } from "../support/agent/agent.ts";
import { Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { volumeMount } from "../support/agent/requests.ts";
import { listeningPort, ownAddress } from "../support/host/ownAddress.ts";
import { requireTools } from "../support/host/requireTools.ts";
import { hostFolder } from "../support/host/temporaryFolder.ts";

type Phase = "the maker runs" | "it has ended" | "its cgroup is gone" | "the plugin was killed";
const phases: readonly Phase[] = [
  "the maker runs",
  "it has ended",
  "its cgroup is gone",
  "the plugin was killed",
];

/** What is handed over. `make` and `use` are Python: an expression for a descriptor, and statements with it as `fd`. */
interface Handed {
  readonly what: string;
  readonly make: string;
  readonly use: string;
  /** The phases in which the neighbour may use it so; none by default. */
  readonly works?: readonly Phase[];
}

const udp = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()";
const tcp = "socket.socket().detach()";
const connect = (port: string) => `socket.socket(fileno=os.dup(fd)).connect((address, ${port}))`;
const fill = "\nwhile os.fstat(fd).st_size < 4 << 20: os.pwrite(fd, bytes(65536), os.fstat(fd).st_size)";

const handed: readonly Handed[] = [
  { what: "a socket, to a listed address", make: udp, use: connect("listed"), works: ["the maker runs"] },
  { what: "a socket, to another address", make: udp, use: connect("other") },
  { what: "a TCP socket, to another address", make: tcp, use: connect("other") },
  { what: "a socket, to a port that only the maker may use", make: tcp, use: connect("theirs") },
  { what: "a socket, to be bound", make: tcp, use: "socket.socket(fileno=os.dup(fd)).bind((address, 0))" },
  {
    what: "a pidfd, for a signal",
    make: "os.pidfd_open(os.getpid())",
    use: "signal.pidfd_send_signal(fd, signal.SIGCONT)",
  },
  {
    what: "a folder, for a file in it",
    make: 'os.open(os.environ["NOMAD_SECRETS_DIR"], os.O_RDONLY | os.O_DIRECTORY)',
    use: 'os.open("secret", os.O_RDONLY, dir_fd=fd)',
  },
  {
    what: "a file, to open it again with more rights",
    make: 'os.open(os.environ["NOMAD_SECRETS_DIR"] + "/secret", os.O_RDONLY)',
    use: 'os.open(f"/proc/self/fd/{fd}", os.O_RDWR)',
  },
  {
    what: "a program, to execute it",
    make: 'os.open(shutil.copy("/usr/bin/true", os.environ["NOMAD_TASK_DIR"] + "/program"), os.O_RDONLY)',
    use: "execute(fd)",
  },
  {
    what: "a file in /tmp, beyond tmp_size",
    make: 'nameless("/tmp")',
    use: fill,
  },
  {
    what: "a file in /dev/shm, beyond shm_size",
    make: 'nameless("/dev/shm")',
    use: fill,
  },
  {
    what: "a socket, to send to another address",
    make: udp,
    use: 'socket.socket(fileno=os.dup(fd)).sendto(b"x", (address, other))',
  },
  {
    what: "a FIFO, to open it again",
    make: "fifo()",
    use: 'os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)',
  },
  {
    what: "a device, to open it again",
    make: 'os.open(os.environ["DEVICE"], os.O_RDONLY)',
    use: 'os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)',
  },
  // What is open is its holder's.
  {
    what: "a file, to read it",
    make: 'os.open(os.environ["NOMAD_SECRETS_DIR"] + "/secret", os.O_RDONLY)',
    use: "assert os.pread(fd, 6, 0) == b'secret'",
    works: phases,
  },
  {
    what: "a file in memory, to write to it",
    make: 'os.memfd_create("m")',
    use: 'os.write(fd, b"x")',
    works: phases,
  },
  { what: "a FIFO, to write to it", make: "fifo()", use: 'os.write(fd, b"x")', works: phases },
  {
    what: "a device, to read from it",
    make: 'os.open(os.environ["DEVICE"], os.O_RDONLY)',
    use: "os.read(fd, 1)",
    works: phases,
  },
  {
    what: "a listening socket, to take connections",
    make: "listening()",
    // Nobody connects.
    use: "try: socket.socket(fileno=os.dup(fd)).accept()\nexcept BlockingIOError: pass",
    works: phases,
  },
];

const imports = "import os, shutil, signal, socket, sys, tempfile\n";

const maker = `${imports}
def nameless(folder):
    fd, path = tempfile.mkstemp(dir=folder)
    os.unlink(path)
    return fd
def fifo():
    path = tempfile.mktemp(dir=os.environ["NOMAD_TASK_DIR"])
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)
def listening():
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    made.setblocking(False)
    return made.detach()
with open(os.environ["NOMAD_SECRETS_DIR"] + "/secret", "w") as file: file.write("secret")
made = [${handed.map(({ make }) => make).join(", ")}]
there = socket.socket(socket.AF_UNIX)
there.connect(os.environ["MEETING"] + "/socket")
socket.send_fds(there, [b"x"], made)
while True: signal.pause()
`;

const survivor = `${imports}
address, listed, other, theirs = sys.argv[1], *map(int, sys.argv[2:5])
def execute(fd):
    child = os.fork()
    if child == 0:
        try: os.execve(fd, ["true"], {})
        except OSError: os._exit(9)
    if os.waitpid(child, 0)[1] != 0: raise OSError("not executed")
uses = [${handed.map(({ use }) => JSON.stringify(use.trim())).join(", ")}]
listening = socket.socket(socket.AF_UNIX)
path = os.environ["MEETING"] + "/socket"
listening.bind(path)
os.chmod(path, 0o777)
listening.listen()
print("listens", flush=True)
_, theirs_fds, _, _ = socket.recv_fds(listening.accept()[0], 1, len(uses))
gate = open(os.environ["NOMAD_TASK_DIR"] + "/gate")
for phase in ${JSON.stringify(phases)}:
    gate.readline()
    for number, (use, fd) in enumerate(zip(uses, theirs_fds)):
        try:
            exec(use)
            print(f"{phase}: {number} worked", flush=True)
        except OSError as error: print(f"{phase}: {number} {error}", flush=True)
    print(f"{phase}: all", flush=True)
`;

/** What worked in a phase, by what the neighbour has printed. */
function worked(output: string, phase: Phase): string[] {
  const lines = output.split("\n");
  return handed.flatMap(({ what }, number) => (lines.includes(`${phase}: ${number} worked`) ? [what] : []));
}

/** Another task of the allocation. */
function siblingOf({ id, user }: Allocation): Allocation {
  const sibling = new Allocation({ id, taskName: "maker", user });
  onTestFinished(async () => {
    await sibling.cgroup.remove();
    for (const pipe of [sibling.stdout, sibling.stderr]) await pipe.close();
  });
  return sibling;
}

async function prepared(context: TestContext, makerBeside: (survivor: Allocation) => Allocation = siblingOf) {
  requireTools(context, "python3");
  const [listed, other, theirs] = [await listeningPort(), await listeningPort(), await listeningPort()];
  const survivorTask = makeAllocation({ taskName: "survivor" });
  const makerTask = makerBeside(survivorTask);
  const addresses = [ownAddress(), ...[listed, other, theirs].map(String)];
  const device = `${hostFolder()}/device`;
  execFileSync("mknod", ["-m", "666", device, "c", "1", "7"]);
  return { listed, other, theirs, survivorTask, makerTask, addresses, device, pass: survivorTask.gate() };
}

test("without a sandbox, every use works", async (context) => {
  const { survivorTask, makerTask, addresses, device, pass } = await prepared(context);
  const { uid, gid } = survivorTask.user;
  const start = (task: Allocation, script: string, ...args: string[]): ChildProcess => {
    const ids = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
    const child = spawn("setpriv", [...ids, "python3", "-c", script, ...args], {
      env: { ...task.env, MEETING: `${task.folder}/alloc/data`, DEVICE: device },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    return child;
  };
  const { stdout } = start(survivorTask, survivor, ...addresses);
  const lines = createInterface({ input: stdout as NonNullable<typeof stdout> })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("listens");
  start(makerTask, maker);
  pass();
  const output: string[] = [];
  while (!output.includes("the maker runs: all")) {
    const { value, done } = await lines.next();
    if (done) break;
    output.push(value);
  }
  expect(output.filter((line) => !/: (\d+ worked|all)$/.test(line))).toEqual([]);
  expect(worked(output.join("\n"), "the maker runs")).toEqual(handed.map(({ what }) => what));
});

/** Where the two tasks meet: what an agent would send for each, and the maker's allocation. */
const meetings = {
  "its neighbour": () => {
    const differing = ({ folder }: Allocation) => ({ env: { MEETING: `${folder}/alloc/data` } });
    return { differing, makerBeside: siblingOf };
  },
  "a task of another allocation, in a volume of both,": () => {
    const volume = hostFolder();
    chmodSync(volume, 0o1777);
    const differing = ({ taskFolder }: Allocation) => ({
      mounts: [volumeMount(volume, "local/shared")],
      env: { MEETING: `${taskFolder}/local/shared` },
    });
    return { differing, makerBeside: () => makeAllocation({ taskName: "maker" }) };
  },
} as const;

test.for(Object.entries(meetings))(
  "what an ended task has handed to %s is bound as the task was, or as the other is",
  async ([, meet], context) => {
    const { differing, makerBeside } = meet();
    const { listed, other, theirs, survivorTask, makerTask, addresses, device, pass } = await prepared(
      context,
      makerBeside,
    );
    const [own] = addresses;
    const first = await startAgent();
    const python = (script: string, ...args: string[]) => ({
      command: "python3",
      args: ["-c", script, ...args],
    });
    const handle = await startTask(
      first,
      survivorTask.config(
        { ...python(survivor, ...addresses), connect_tcp: [listed, other], bind_tcp: [listed] },
        differing(survivorTask),
      ),
    );
    await survivorTask.stdout.contains("listens\n");
    const its = differing(makerTask);
    const making = makerTask.config(
      {
        ...python(maker),
        egress: [`${own}:${listed}`, `${own}:${theirs}`],
        tmp_size: "2MiB",
        shm_size: "2MiB",
      },
      {
        ...its,
        devices: [{ taskPath: "/dev/handed", hostPath: device, cgroupPermissions: "rw" }],
        env: { ...its.env, DEVICE: "/dev/handed" },
      },
    );
    await startTask(first, making);
    const look = async (phase: Phase) => {
      pass();
      await survivorTask.stdout.contains(`${phase}: all\n`);
    };
    await look("the maker runs");
    await first.driver.destroyTask({ taskId: making.id, force: true });
    await look("it has ended");
    await makerTask.cgroup.empty();
    makerTask.cgroup.removeAsAgent();
    await look("its cgroup is gone");
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    await look("the plugin was killed");
    const output = await survivorTask.stdout.text();
    expect(Object.fromEntries(phases.map((phase) => [phase, worked(output, phase)]))).toEqual(
      Object.fromEntries(
        phases.map((phase) => [
          phase,
          handed.filter(({ works = [] }) => works.includes(phase)).map(({ what }) => what),
        ]),
      ),
    );
  },
);

/** Opens the list of processes of a cgroup of its own, shows that its own processes enter it, and hands it over. */
const cgroupMaker = `${imports}
os.mkdir("/sys/fs/cgroup/own")
procs = os.open("/sys/fs/cgroup/own/cgroup.procs", os.O_WRONLY)
if os.fork() == 0:
    print("entered", os.write(procs, b"0"), flush=True)
    os._exit(0)
os.wait()
there = socket.socket(socket.AF_UNIX)
there.connect(os.environ["MEETING"] + "/socket")
socket.send_fds(there, [b"x"], [procs])
while True: signal.pause()
`;

const cgroupSurvivor = `${imports}
meeting = socket.socket(socket.AF_UNIX)
path = os.environ["MEETING"] + "/socket"
meeting.bind(path)
os.chmod(path, 0o777)
meeting.listen()
print("listens", flush=True)
_, [procs], _, _ = socket.recv_fds(meeting.accept()[0], 1, 1)
try: print("entered", os.write(procs, b"0"))
except OSError as error: print(error.strerror)
`;

test.for([false, true])(
  "no task enters the cgroup of another, with its limits, by a list of processes that is handed to it; with cgroups of its own: %s",
  async (cgroup_delegate, context) => {
    requireTools(context, "python3");
    const agent = await startAgent({ options: { allow_cgroup_delegate: true } });
    const survivorTask = makeAllocation({ taskName: "survivor" });
    const makerTask = siblingOf(survivorTask);
    const differing = { env: { MEETING: `${survivorTask.folder}/alloc/data` } };
    const python = (script: string) => ({ command: "python3", args: ["-c", script] });
    const surviving = survivorTask.config({ ...python(cgroupSurvivor), cgroup_delegate }, differing);
    await startTask(agent, surviving);
    await survivorTask.stdout.contains("listens\n");
    const making = makerTask.config({ ...python(cgroupMaker), cgroup_delegate: true }, differing);
    await startTask(agent, making);
    await makerTask.stdout.contains("entered 1\n");
    await waitTask(agent, surviving);
    await agent.driver.destroyTask({ taskId: making.id, force: true });
    expect(await survivorTask.stdout.text()).toMatch(
      /^listens\n(?:Permission denied|No such file or directory)\n$/,
    );
  },
);
