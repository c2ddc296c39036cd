/** The part of the Driver service that runs commands in tasks. */

import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { DriverError, lineOf } from "../../base/errors.ts";
import { toTaskId } from "../../base/taskId.ts";
import type { ExecSession } from "../../driver/driverPort.ts";
import type { TerminalSize } from "../../effects/exec/terminal.ts";
import { exitOf } from "../convert/answers.ts";
import { msOf } from "../convert/time.ts";
import type { DriverSlot } from "../driverSlot.ts";
import type {
  DriverServer,
  ExecTaskStreamingRequest as Request,
  ExecTaskStreamingResponse as Response,
} from "../generated/nomad/driver.ts";
import type { Duplex, Handlers } from "../handlers.ts";
import { closeFrameBytes, errorBehind, toStatus } from "../status.ts";

export function execHandlers({ unary, duplex }: Handlers, slot: DriverSlot) {
  return {
    execTask: unary(
      async ({ taskId, command, timeout }, signal) => {
        const driver = await slot.driver;
        const { stdout, stderr, exit } = await driver.execTask(
          toTaskId(taskId),
          { command, timeoutMs: msOf(timeout) },
          signal,
        );
        return { stdout, stderr, result: exitOf(exit) };
      },
      { waits: true },
    ),

    execTaskStreaming: duplex(async (call, signal) => {
      const { value: first } = await call.requests.next();
      try {
        await converse(first, call, signal, slot);
      } catch (thrown) {
        await writeLongError(thrown, call, first?.setup?.tty ?? false);
        throw thrown;
      }
    }, closeFrameBytes),
  } satisfies Partial<DriverServer>;
}

async function converse(first: Request | undefined, call: Call, signal: AbortSignal, slot: DriverSlot) {
  const { requests } = call;
  const setup = first?.setup;
  if (setup === undefined) throw noSetup();
  const second = requests.next();
  // passInput() awaits this promise later. Until then, its rejection must not count as unhandled.
  second.catch(() => undefined);
  const { taskId, command, tty } = setup;
  const size = tty ? await sizeAtStart(first, second) : undefined;
  const session = await (await slot.driver).exec(toTaskId(taskId), { command, terminal: tty, size });
  if (signal.aborted) session.cancel();
  signal.addEventListener("abort", session.cancel, { once: true });
  session.stdin.on("error", () => undefined);
  passInput(second, requests, session).catch(() => undefined);
  await Promise.all([
    passOutput(session.stdout, call, (operation) => ({ stdout: operation })),
    passOutput(session.stderr, call, (operation) => ({ stderr: operation })),
  ]);
  await call.send({ exited: true, result: exitOf(await session.ended) });
}

/** If an error is too long for the call's status, writes the error to the command's output. */
async function writeLongError(thrown: unknown, { send }: Call, tty: boolean): Promise<void> {
  if (Buffer.byteLength(toStatus(thrown).details) <= closeFrameBytes) return;
  const data = Buffer.from(lineOf(errorBehind(thrown)) + (tty ? "\r\n" : "\n"));
  await send({ [tty ? "stdout" : "stderr"]: { data, close: false }, exited: false });
}

type Call = Duplex<Request, Response>;
type Requests = Call["requests"];
type Next = ReturnType<Requests["next"]>;

/** Milliseconds to wait for the terminal's size, which clients send in the message after the setup. */
const sizeLimitMs = 100;

/** The terminal's size, so that the program has it from the start; undefined if none arrives in time. */
async function sizeAtStart(first: Request | undefined, second: Next): Promise<TerminalSize | undefined> {
  const next =
    first?.ttySize ?? (await Promise.race([second.then(({ value }) => value?.ttySize), delay(sizeLimitMs)]));
  return next === undefined ? undefined : sizeOf(next);
}

function sizeOf({ height, width }: NonNullable<Request["ttySize"]>): TerminalSize {
  return { rows: height, columns: width };
}

/** Passes one message after the other, as fast as the command reads. */
async function passInput(second: Next, requests: Requests, { stdin, resize }: ExecSession): Promise<void> {
  for (let next = await second; !next.done; next = await requests.next()) {
    const { ttySize, stdin: operation } = next.value;
    if (ttySize) resize(sizeOf(ttySize));
    if (operation && operation.data.length > 0) await written(stdin, operation.data);
    if (operation?.close) stdin.end();
  }
  stdin.end();
}

/** Resolves even if the command no longer reads. */
function written(stdin: ExecSession["stdin"], data: Buffer): Promise<void> {
  return new Promise((resolve) => void stdin.write(data, () => resolve()));
}

type Operation = NonNullable<Response["stdout"]>;

/** Passes the output as fast as the client reads, then closes it. */
async function passOutput(
  output: Readable,
  { send }: Call,
  toResponse: (operation: Operation) => Pick<Response, "stdout" | "stderr">,
): Promise<void> {
  const pass = (data: Buffer, close: boolean) => send({ ...toResponse({ data, close }), exited: false });
  for await (const chunk of output as AsyncIterable<Buffer>) await pass(chunk, false);
  await pass(Buffer.alloc(0), true);
}

function noSetup(): DriverError {
  return new DriverError("CONFIG_INVALID", "the first message of an exec has to be its setup", {
    hint: "It names the task and the command",
  });
}
