/**
 * Tells this process when a ring in the kernel has something to read. Node can wait for files, pipes and sockets,
 * but not for a ring, and a thread of Node's that waits is missing elsewhere. So a process of the runner's few
 * kilobytes waits, and writes a byte into a pipe. It does so again only after an answer, so a flood of records
 * wakes this process no oftener than it wants to be woken.
 */
import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { errnoOf, messageOf } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { epollAdd, epollCreate } from "../kernel/epoll.ts";
import { pipe2, waitpid } from "../kernel/libc.ts";
import { pollDescriptor } from "../kernel/structs.ts";
import { endWithParentStep } from "./commonSteps.ts";
import { bytes, descriptors, noSteps, place, type WholePlan } from "./plan.ts";
import { spawnPlan } from "./spawnPlan.ts";

const inherited = { answers: descriptors.stdin, bell: descriptors.stdout, rings: descriptors.report + 1 };
const waitForRings = bytes(
  pollDescriptor(inherited.rings, k.POLLIN),
  `{fd: ${inherited.rings}, events: POLLIN}`,
);

/** @param what as a person sees it in a list of processes */
const bellPlan = (what: string): WholePlan<keyof typeof inherited> => ({
  initName: `exec2-bell: waiting for ${what}`,
  inherited,
  outlivesPlugin: false,
  steps: {
    ...noSteps,
    parent: [{ ...endWithParentStep("end with the plugin"), flow: { kind: "goTo", phase: "held" } }],
    held: [
      {
        name: "wait for an answer",
        call: "read",
        args: [inherited.answers, place("waitStatus"), 1],
        flow: { kind: "endOfFile", ended: "abandoned", otherwise: "next" },
      },
      { name: "wait for a ring", call: "ppoll", args: [waitForRings, 1, 0, 0, 0] },
      {
        name: "ring",
        call: "write",
        args: [inherited.bell, place("waitStatus"), 1],
        flow: { kind: "goTo", phase: "held" },
      },
    ],
    abandoned: [{ name: "exit", call: "exit_group", args: [0] }],
  },
});

/** After the bell has ended by itself, such as by a kill. */
const RESTART_MS = 1_000;

export interface BellEvents {
  /** There is something to read. The bell waits until {@link Bell.listen} is called again. */
  onRing(): void;
  /** Why rings are not waited for; undefined once they are. */
  onProblem(reason: string | undefined): void;
}

export class Bell implements Disposable {
  readonly #events: BellEvents;
  readonly #runnerFolder: string | undefined;
  readonly #plan: ReturnType<typeof bellPlan>;
  readonly #rings: number;
  #answers: number | undefined;
  #pid: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * @param what the rings have, for the process's name
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  constructor(what: string, runnerFolder: string | undefined, events: BellEvents) {
    this.#plan = bellPlan(what);
    this.#runnerFolder = runnerFolder;
    this.#events = events;
    this.#rings = epollCreate();
    this.#start();
  }

  /** Waits for a ring, too. @param ring its map's descriptor, which stays open elsewhere */
  add(ring: number): void {
    epollAdd(this.#rings, ring);
  }

  /** Answers the last ring of the bell. */
  listen(): void {
    if (this.#answers === undefined) return;
    try {
      writeSync(this.#answers, "a");
    } catch (thrown) {
      // The process has ended, and its end is noticed elsewhere.
      if (errnoOf(thrown) !== "EPIPE" && errnoOf(thrown) !== "EAGAIN") throw thrown;
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#pid !== undefined) process.kill(this.#pid, "SIGKILL");
    closeSync(this.#rings);
  }

  #start(): void {
    try {
      using theirs = new DisposableStack();
      using undo = new DisposableStack();
      const [answers, bell] = [pipe2(), pipe2()];
      for (const each of [answers.read, bell.write]) theirs.adopt(each, closeSync);
      for (const each of [answers.write, bell.read]) undo.adopt(each, closeSync);
      const passed = { answers: answers.read, bell: bell.write, rings: this.#rings };
      const { pid, report } = spawnPlan(this.#plan, passed, this.#runnerFolder);
      undo.move();
      this.#pid = pid;
      this.#answers = answers.write;
      const socket = new Socket({ fd: bell.read, readable: true, writable: false });
      // A plugin that has nothing else to do ends. An error is the process's end, too.
      socket.on("data", () => this.#events.onRing()).on("error", () => undefined);
      socket.unref();
      const end = () => this.#ended(pid, answers.write);
      report.then(end, end);
      this.#events.onProblem(undefined);
      this.listen();
    } catch (thrown) {
      this.#events.onProblem(messageOf(thrown));
      this.#startLater();
    }
  }

  #ended(pid: number, answers: number): void {
    waitpid(pid, 0);
    closeSync(answers);
    this.#pid = undefined;
    this.#answers = undefined;
    if (!this.#isOver) this.#startLater();
  }

  #startLater(): void {
    this.#timer = setTimeout(() => this.#start(), RESTART_MS).unref();
  }
}
