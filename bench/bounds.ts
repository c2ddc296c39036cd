/**
 * Measures what the largest inputs of a job cost others: the longest turn of the plugin's event loop, in processor time
 * of its main thread; how long another job's start takes that begins at the same time; and the plugin's memory
 * afterwards. The baseline is an ordinary start in place of the large one, in turn with it.
 *
 * As root, after `npm run build`: `node bench/bounds.ts [rounds] [executable]`. It listens at port 53 of an address of
 * loopback.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { errorOfCall } from "../src/grpc/status.ts";
import { Allocation, type Differing } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { addressRecord, answerTo, questionIn } from "../test/support/host/dnsMessage.ts";
import { TurnTime } from "./eventLoopDelay.ts";
import { formatMib, percentile, printFigure, pssOf, timed } from "./figures.ts";
import { install, launch, life } from "./plugin.ts";

const rounds = Number(process.argv[2] ?? 20);
/** Time after which a plugin has returned the memory that its starts needed. */
const restedMs = idleMemoryMs + 2_000;
const base = mkdtempSync("/var/lib/exec2-bench-");
const executable = process.argv[3] ?? install(base);
const server = "127.77.53.53";
const program = { command: "/bin/true" } as const;

/** What a job's author sends. */
interface Input {
  readonly options: Readonly<Record<string, unknown>>;
  readonly differing?: Differing;
}

/** The inputs by what they are; `number` differs in each start. */
const inputs: Readonly<Record<string, (number: number) => Input>> = {
  "an ordinary start": () => ({ options: {} }),
  "a name with 6,400 addresses in egress": (number) => named(number, 1),
  "64 such names": (number) => named(number, 64),
  "root_dir with 400,000 names": () => ({ options: { root_dir: "local/many" } }),
  "root_dir with 4,096 names": () => ({ options: { root_dir: "local/most" } }),
  "2,030 variables of 1 MB": () => ({
    options: {},
    differing: { env: variables },
  }),
  "1 MB of arguments": () => ({ options: { args: large } }),
  "3.8 MB of arguments": () => ({ options: { args: tooLarge } }),
};

const variables = Object.fromEntries(
  Array.from({ length: 2_030 }, (_, index) => [`VARIABLE_${index}`, randomBytes(240).toString("hex")]),
);
const large = Array.from({ length: 10 }, () => "x".repeat(100_000));
const tooLarge = Array.from({ length: 38 }, () => "x".repeat(100_000));

function named(number: number, count: number): Input {
  const names = Array.from(
    { length: count },
    (_, index) => `n${number}-${index}-of-${count}.example.org:443`,
  );
  const dns = { servers: [server], searches: [], options: [] };
  return { options: { egress: names }, differing: { dns } };
}

/** Records of addresses, as many as fit into an answer: 4,080 of IPv4 or 2,330 of IPv6. */
const records = { 1: addressRecords(4, 4_080), 28: addressRecords(16, 2_330) } as const;

const [hostile, neighbour] = [new Allocation(), new Allocation()];
const stopServer = await startServer();

try {
  makeRoots(`${hostile.taskFolder}/local`);
  for (const what of Object.keys(inputs)) await measure(what);
} finally {
  stopServer();
  for (const allocation of [hostile, neighbour]) await allocation.remove();
  rmSync(base, { recursive: true });
}

/** Of one round. */
interface Round {
  readonly turn: number;
  /** A neighbour's start to its answer. */
  readonly start: number;
  /** The task's own life. */
  readonly own: number;
}

/** Starts tasks with the input in a plugin of their own, each together with a neighbour's; in turn with ordinary ones. */
async function measure(what: string): Promise<void> {
  const stateDir = mkdtempSync(join(base, "state-"));
  const plugin = await launch({ state_dir: join(stateDir, "state"), allow_root_dir: true }, executable);
  try {
    for (const allocation of [hostile, neighbour])
      await prepareStart(plugin.driver, allocation.config("true"));
    for (let round = 0; round < 50; round += 1) await life(plugin, ordinary(neighbour));
    await delay(restedMs);
    const before = pssOf(plugin.pid);
    const turnTime = await TurnTime.of(plugin.pid);
    const outcomes = new Set<string>();
    const roundOf = async (input: Input): Promise<Round> => {
      await turnTime.longest();
      const large = timed(async () => outcomes.add(await startAndEnd(plugin, input)));
      const start = await life(plugin, ordinary(neighbour));
      return { start, own: await large, turn: await turnTime.longest() };
    };
    const [usual, given]: [Round[], Round[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      usual.push(await roundOf({ options: {} }));
      outcomes.clear();
      given.push(await roundOf(inputs[what]?.(round) ?? { options: {} }));
    }
    await turnTime.close();
    await delay(restedMs);
    console.log(`${what}: ${[...outcomes].join(", ")}`);
    const figuresOf = (of: keyof Round) => {
      const [all, others] = [given, usual].map((each) => each.map((one) => one[of])) as [number[], number[]];
      const ratio = percentile(all, 0.5) / percentile(others, 0.5);
      return `p50 ${percentile(all, 0.5).toFixed(1)}, max ${Math.max(...all).toFixed(1)} ms (${ratio.toFixed(1)} ×)`;
    };
    printFigure("  longest turn, in processor time", figuresOf("turn"));
    printFigure("  a neighbour's StartTask to its answer", figuresOf("start"));
    printFigure("  its own, to the end", figuresOf("own"));
    const after = formatMib(pssOf(plugin.pid));
    printFigure("  memory before and afterwards (PSS)", `${formatMib(before)}, ${after}`);
  } finally {
    await plugin.close();
  }
}

function ordinary(allocation: Allocation) {
  return allocation.config(program);
}

/** @returns what became of the start */
async function startAndEnd(plugin: LaunchedPlugin, input: Input): Promise<string> {
  const task = hostile.config({ ...program, ...input.options }, input.differing);
  return await life(plugin, task).then(
    () => "starts",
    (thrown) => errorOfCall(thrown).code,
  );
}

/** A folder with far more names than a root may have, and one with as many as it may have. */
function makeRoots(folder: string): void {
  mkdirSync(`${folder}/most/folders`, { recursive: true });
  mkdirSync(`${folder}/many`);
  const make = `for (1 .. $ARGV[2]) { symlink("none", "$ARGV[0]/$_") } for (1 .. $ARGV[3]) { mkdir("$ARGV[0]/f$_") }`;
  execFileSync("perl", ["-e", make, `${folder}/many`, "", "400000", "0"]);
  execFileSync("perl", ["-e", make, `${folder}/most`, "", "3840", "250"]);
}

/** A name server whose answers have as many addresses as fit into a message of TCP. @returns ends it */
async function startServer(): Promise<() => void> {
  const udp = createSocket("udp4");
  udp.on("message", (question, from) => {
    // The answer is cut: RFC 1035, 4.1.1.
    udp.send(answerWith(Buffer.from(question), 0x8380, 0), from.port, from.address);
  });
  udp.bind(53, server);
  const tcp = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) {
        const end = 2 + received.readUInt16BE();
        const answer = answerWith(received.subarray(2, end), 0x8180, Number.POSITIVE_INFINITY);
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, answer]));
        received = received.subarray(end);
      }
    });
  }).listen(53, server);
  await Promise.all([once(udp, "listening"), once(tcp, "listening")]);
  return () => {
    udp.close();
    tcp.close();
  };
}

function addressRecords(size: number, count: number): readonly Buffer[] {
  return Array.from({ length: count }, () => {
    const address = randomBytes(size);
    address[0] = size === 4 ? 10 : 0xfd;
    return addressRecord(address, 256);
  });
}

/** The first records of the type that is asked for. */
function answerWith(question: Buffer, flags: number, most: number): Buffer {
  const { type } = questionIn(question);
  return answerTo(question, flags, type === 1 || type === 28 ? records[type].slice(0, most) : []);
}
