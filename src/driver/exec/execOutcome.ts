/** Runs a command in a task without input, as script checks do, and collects its output and exit. */
import type { Readable } from "node:stream";
import { DriverError } from "../../base/errors.ts";
import type { CheckRequest, ExecOutcome } from "../driverPort.ts";
import type { CommandServices, RunCommands } from "./commands.ts";

/** Bytes to keep of each output. Agents keep 4 KiB of a check's output. */
const maxOutputBytes = 65_536;

/** Maximum timeout: a Node timer with a longer delay fires at once. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * @param signal aborted when the caller no longer waits
 * @throws DriverError `EXEC_TIMED_OUT`, or an error of `RunCommands.run`
 */
export async function execOutcome(
  commands: RunCommands,
  { command, timeoutMs }: CheckRequest,
  services: CommandServices,
  signal: AbortSignal,
): Promise<ExecOutcome> {
  const exec = await commands.run({ command, terminal: false, size: undefined }, services);
  let timedOut = false;
  const timer = setTimeout(
    () => {
      timedOut = true;
      exec.end("timedOut");
    },
    Math.min(timeoutMs, maxTimeoutMs),
  );
  if (timeoutMs <= 0) clearTimeout(timer);
  const abort = () => exec.cancel();
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  exec.stdin.on("error", () => undefined).end();
  try {
    const [stdout, stderr, exit] = await Promise.all([lastOf(exec.stdout), lastOf(exec.stderr), exec.ended]);
    if (!timedOut) return { stdout, stderr, exit };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
  throw new DriverError("EXEC_TIMED_OUT", `the command did not end within ${timeoutMs} ms and was killed`, {
    hint: "Raise the timeout of the check, or find out why the command takes so long",
  });
}

/** Reads an output. If it is too long, its beginning is cut off, because the end is more useful. */
async function lastOf(stream: Readable): Promise<Buffer> {
  let kept = Buffer.alloc(0);
  let cut = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const all = Buffer.concat([kept, chunk]);
    kept = all.subarray(Math.max(0, all.length - maxOutputBytes));
    cut += all.length - kept.length;
  }
  return cut === 0 ? kept : Buffer.concat([Buffer.from(`[${cut} bytes before this are left out]\n`), kept]);
}
