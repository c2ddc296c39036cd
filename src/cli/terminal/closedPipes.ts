/** Ignores writes to a pipe whose reader has exited, such as head(1): they are no error. */
import { errnoOf } from "../../errors.ts";

const streams = [process.stdout, process.stderr];

/** From this call on, writes without a reader succeed. */
export function tolerateClosedPipes(): void {
  whenReaderGone(() => undefined);
}

/** Calls back when a write finds that the reader has closed the pipe. */
export function whenReaderGone(work: () => void): void {
  for (const stream of streams) {
    stream.on("error", (thrown) => {
      if (errnoOf(thrown) !== "EPIPE") throw thrown;
      work();
    });
  }
}
