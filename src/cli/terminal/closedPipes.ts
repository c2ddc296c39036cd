/** Output into a pipe whose reader has gone, such as head(1): no failure, and nothing to be told. */
import { errnoOf } from "../../errors.ts";

const streams = [process.stdout, process.stderr];

/** From here on writing to nobody is as good as writing. */
export function tolerateClosedPipes(): void {
  whenReaderGone(() => undefined);
}

/** Calls back when a write found that nobody reads any more. */
export function whenReaderGone(work: () => void): void {
  for (const stream of streams) {
    stream.on("error", (thrown) => {
      if (errnoOf(thrown) !== "EPIPE") throw thrown;
      work();
    });
  }
}
