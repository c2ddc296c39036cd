/**
 * Prints text without terminal control sequences. Histories may come from other
 * hosts, and names in them may contain such sequences.
 */
import { DriverError, errnoOf } from "../../base/errors.ts";
import { visible } from "../../units/visible.ts";
import { errnoText } from "./errors.ts";
import { jsonOf } from "./json.ts";
import { type Style, styleFor, widthOf } from "./style.ts";

/** Writes one or several lines to standard output. */
export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/**
 * Prints rows as a table, or as JSON with one object per line.
 * @param output as for {@link jsonOf}
 * @param table formats the table; if it returns an empty text, nothing is printed
 */
export function printRows<Row>(
  output: string,
  rows: readonly Row[],
  json: boolean,
  table: (style: Style, width: number) => string,
): void {
  const { stdout } = process;
  const text = json
    ? rows.map((row) => jsonOf(output, row)).join("\n")
    : table(styleFor(stdout), widthOf(stdout));
  if (text !== "") print(text);
}

/** Writes a note to standard error. */
export function printNote(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/**
 * Makes control characters visible, except colours, newlines and tabs. Views have already done this for text
 * from histories, so the colours that remain are the program's own.
 */
export function printable(text: string): string {
  return text
    .split(kept)
    .map((piece, index) => (index % 2 === 0 ? visible(piece) : piece))
    .join("");
}

const colour = String.fromCharCode(0x1b);
const kept = new RegExp(`(\\n|\\t|${colour}\\[[\\d;]*m)`);

/** A write to standard output or standard error that failed. */
export interface OutputFailure {
  readonly stream: "stdout" | "stderr";
  /** `EPIPE` if the reader has gone, such as head(1); `EIO` if the terminal has gone. */
  readonly errno: string;
}

const failures: OutputFailure[] = [];
const listeners: ((failure: OutputFailure) => void)[] = [];

/** After this call, a failed write neither ends the process nor throws. */
export function guardOutput(): void {
  for (const stream of ["stdout", "stderr"] as const) {
    process[stream].on("error", (thrown) => {
      const errno = errnoOf(thrown) ?? "EIO";
      // Further writes to a failed stream fail, too.
      if (failures.some((failure) => failure.stream === stream)) return;
      failures.push({ stream, errno });
      for (const listener of listeners) listener({ stream, errno });
    });
  }
}

/** Calls `work` when a write to a stream fails: at most once for each of the two streams. */
export function onOutputFailure(work: (failure: OutputFailure) => void): void {
  listeners.push(work);
}

/** Whether writes to the stream no longer have an effect. */
export function hasFailed(stream: OutputFailure["stream"]): boolean {
  return failures.some((failure) => failure.stream === stream);
}

/** Writes to a stream, and waits until its reader takes more. Returns at once if writes to it have failed. */
export async function writeTo(stream: OutputFailure["stream"], data: string | Buffer): Promise<void> {
  const sink = process[stream];
  if (data.length === 0 || hasFailed(stream) || sink.write(data)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      sink.off("drain", done).off("error", done);
      resolve();
    };
    sink.on("drain", done).on("error", done);
  });
}

/** Why the output so far is incomplete; undefined if it is complete, or if its reader has closed it. */
export async function outputError(): Promise<DriverError | undefined> {
  for (const stream of ["stdout", "stderr"] as const)
    if (!hasFailed(stream)) await new Promise<void>((resolve) => process[stream].write("", () => resolve()));
  const failure = failures.find(({ errno }) => errno !== "EPIPE");
  if (failure === undefined) return undefined;
  return new DriverError(
    "OUTPUT_FAILED",
    `${streamName(failure)} cannot be written: ${errnoText(failure.errno)}`,
  );
}

export function streamName({ stream }: Pick<OutputFailure, "stream">): string {
  return stream === "stdout" ? "standard output" : "standard error";
}
