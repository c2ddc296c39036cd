/** `exec`: runs a command in a running task, connected to this program's terminal or pipes. */
import { constants } from "node:os";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { codeToPassOn, endBySignal } from "../../../base/taskEnd.ts";
import type {
  ExitResult,
  ExecTaskStreamingRequest as Request,
  ExecTaskStreamingResponse as Response,
} from "../../../grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../grpc/status.ts";
import { catchInterrupts, whenAborted } from "../../../localAgent/task/interrupts.ts";
import { connectTask } from "../../tasks/runningTask.ts";
import { warn } from "../../terminal/errors.ts";
import { abandonInput } from "../../terminal/input.ts";
import { onOutputFailure } from "../../terminal/output.ts";
import { ShownOutput } from "../../terminal/taskLines.ts";

export interface CommandOptions {
  readonly stateDir: string;
  /** Whether the command gets a terminal; undefined: only if this program has a terminal. */
  readonly tty: boolean | undefined;
}

type Call = ClientDuplexStream<Request, Response>;

/**
 * @returns the command's exit code, or 128 + signal
 * @throws DriverError if the command cannot be run
 */
export async function runCommand(
  task: string,
  command: readonly string[],
  { stateDir, tty = process.stdin.isTTY && process.stdout.isTTY }: CommandOptions,
): Promise<number> {
  const { id, plugin, close } = await connectTask(stateDir, task);
  using attached = new DisposableStack();
  attached.defer(close);
  const call = plugin.driver.execTaskStreaming();
  call.write({ setup: { taskId: id, command: [...command], tty } });
  if (tty) attached.defer(attachTerminal(call));
  const interrupts = catchInterrupts();
  attached.defer(() => interrupts.release());
  // The driver kills the session of a command whose call is cancelled.
  whenAborted(interrupts.stop, () => call.cancel());
  // Once nobody reads the output any more, this program ends as if it had received SIGPIPE.
  onOutputFailure(() => interrupts.requestStop("SIGPIPE"));
  attached.defer(passInput(call));
  try {
    return codeToPassOn(await resultOf(call, tty));
  } catch (thrown) {
    if (!interrupts.stop.aborted) throw thrown;
    return endBySignal(constants.signals[interrupts.stop.reason as NodeJS.Signals]).exitCode;
  }
}

/**
 * Sends all keys to the command, including Ctrl-C. Gives the command's terminal the size of this program's
 * terminal.
 */
function attachTerminal(call: Call): () => void {
  const { stdin, stdout } = process;
  const sendSize = () =>
    void call.write({ ttySize: { height: stdout.rows ?? 0, width: stdout.columns ?? 0 } });
  if (stdout.isTTY) sendSize();
  stdout.on("resize", sendSize);
  if (stdin.isTTY) stdin.setRawMode(true);
  return () => {
    stdout.off("resize", sendSize);
    if (stdin.isTTY) stdin.setRawMode(false);
  };
}

/** Sends input as fast as the command reads it. */
function passInput(call: Call): () => void {
  const { stdin } = process;
  const pass = (data: Buffer) => {
    if (call.write({ stdin: { data, close: false } })) return;
    stdin.pause();
    call.once("drain", () => stdin.resume());
  };
  const close = () => void call.write({ stdin: { data: Buffer.alloc(0), close: true } });
  // A device may refuse a read, and an open file may not be open for reading. The command has had all its input then.
  let isOver = false;
  const fail = ({ message }: Error) => {
    if (isOver) return;
    warn(`standard input cannot be read: ${message}`);
    close();
  };
  stdin.on("data", pass).once("end", close).on("error", fail);
  return () => {
    isOver = true;
    stdin.off("data", pass).off("end", close);
    abandonInput();
  };
}

/**
 * Shows the output as fast as the terminal or pipe takes it. A command with a terminal of its own controls this
 * program's terminal. The output of any other command is shown as text and colours.
 * @returns the command's result
 */
function resultOf(call: Call, tty: boolean): Promise<ExitResult | undefined> {
  const shown = (stream: NodeJS.WriteStream) =>
    new ShownOutput({ filters: !tty && stream.isTTY, prefix: undefined });
  const [out, err] = [shown(process.stdout), shown(process.stderr)];
  return new Promise((resolve, reject) => {
    let result: ExitResult | undefined;
    call
      .on("data", ({ stdout, stderr, exited, result: final }: Response) => {
        if (stdout?.data.length) show(process.stdout, out.push(stdout.data), call);
        if (stderr?.data.length) show(process.stderr, err.push(stderr.data), call);
        if (exited) result = final;
      })
      .on("end", () => {
        show(process.stdout, out.end(), call);
        show(process.stderr, err.end(), call);
        resolve(result);
      })
      .on("error", (error) => reject(errorOfCall(error)));
  });
}

function show(stream: NodeJS.WriteStream, data: Buffer, call: Call): void {
  if (stream.write(data)) return;
  call.pause();
  stream.once("drain", () => call.resume());
}
