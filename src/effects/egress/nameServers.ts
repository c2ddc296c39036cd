/**
 * Asks name servers, as resolv.conf(5) says. Not by Node's resolver, which looks at the whole of each answer: one of
 * 64 KiB takes it up to 60 ms, in which nothing else goes on.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type AddressType,
  type Answer,
  codes,
  isAnswer,
  maxAnswerBytes,
  type Question,
  questionMessage,
  readAnswer,
} from "./dnsMessage.ts";
import { type NameServer, serversOf } from "./serverList.ts";

export interface NameServers {
  readonly servers: readonly NameServer[];
  /** Whether a question begins with any of them, and not always with the first one. */
  readonly rotates: boolean;
  /** Whether they are asked by TCP alone. */
  readonly byTcp: boolean;
}

/** Why nobody has answered: an error of a server, or of the way to it. */
export type Failure = "timeout" | "unreachable" | "unreadable" | "failed" | "refused";

/** Each server is asked this many times, for this many milliseconds at first, and each time for twice as many. */
const tries = 3;
const firstMs = 1_000;

/** The servers of a resolv.conf(5); that of the host itself if it names none. */
export function hostServers(resolvConf: string): NameServers {
  const lines = resolvConf.split("\n").map((line) => line.trim().split(/\s+/));
  const named = lines.flatMap(([word, server = ""]) => (word === "nameserver" ? [server] : []));
  const options = lines.flatMap(([word, ...values]) => (word === "options" ? values : []));
  const servers = serversOf(named);
  return {
    servers: servers.length > 0 ? servers : serversOf(["127.0.0.1"]),
    rotates: options.includes("rotate"),
    byTcp: options.includes("use-vc"),
  };
}

/** Asks one server after the other, until one knows whether the name has addresses. @returns why none does */
export async function ask(
  name: string,
  type: AddressType,
  { servers, rotates, byTcp }: NameServers,
): Promise<Answer | Failure> {
  const first = rotates ? randomInt(servers.length) : 0;
  const inOrder = [...servers.slice(first), ...servers.slice(0, first)];
  let failure: Failure = "unreachable";
  for (let round = 0; round < tries; round += 1) {
    for (const server of inOrder) {
      const question = { name, type, id: randomInt(0x10000) };
      const answer = await askOne(server, question, byTcp, firstMs * 2 ** round);
      if (typeof answer !== "string") return answer;
      failure = answer;
    }
  }
  return failure;
}

async function askOne(
  server: NameServer,
  question: Question,
  byTcp: boolean,
  ms: number,
): Promise<Answer | Failure> {
  let way = byTcp ? tcp : udp;
  for (let isExtended = true; ; ) {
    await ownTurn();
    const message = await way(server, question, questionMessage(question, isExtended), ms);
    if (typeof message === "string") return message;
    await ownTurn();
    const answer = readAnswer(message, question);
    if (answer === undefined) return "unreadable";
    if (answer.isCut && way === udp) way = tcp;
    // A server that does not know RFC 6891.
    else if (answer.code === codes.formatError && isExtended) isExtended = false;
    else if (answer.code === codes.noError || answer.code === codes.noName) return answer;
    else return answer.code === codes.serverFailure ? "failed" : "refused";
  }
}

let turns: Promise<unknown> = Promise.resolve();

/** Resolves in a turn of the event loop that nobody else has got here: what many servers say at once is not one turn. */
export function ownTurn(): Promise<unknown> {
  turns = turns.then(() => nextTurn());
  return turns;
}

type Way = (server: NameServer, question: Question, message: Buffer, ms: number) => Promise<Buffer | Failure>;

/** By a socket of its own, whose port an attacker has to guess like the question's number. */
const udp: Way = (server, question, message, ms) =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.host) ? "udp6" : "udp4");
    const end = once((outcome: Buffer | Failure) => {
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    });
    const timer = setTimeout(() => end("timeout"), ms);
    socket.on("error", () => end("unreachable"));
    socket.on("message", (received) => isAnswer(received, question) && end(received));
    socket.on("connect", () => socket.send(message));
    socket.connect(server.port, server.host);
  });

/** Ends the connection once enough of the answer is there. */
const tcp: Way = (server, question, message, ms) =>
  new Promise((resolve) => {
    const socket = connect(server);
    const end = once((outcome: Buffer | Failure) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    });
    const timer = setTimeout(() => end("timeout"), ms);
    const received = Buffer.alloc(2 + maxAnswerBytes);
    let filled = 0;
    socket.on("error", () => end("unreachable"));
    socket.on("close", () => end("unreachable"));
    socket.on("data", (chunk: Buffer) => {
      filled += chunk.copy(received, filled);
      if (filled < 2) return;
      const needed = 2 + Math.min(received.readUInt16BE(), maxAnswerBytes);
      if (filled < needed) return;
      const answer = received.subarray(2, needed);
      end(isAnswer(answer, question) ? answer : "unreadable");
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
  });

function once<T>(action: (value: T) => void): (value: T) => void {
  let isDone = false;
  return (value) => {
    if (isDone) return;
    isDone = true;
    action(value);
  };
}
