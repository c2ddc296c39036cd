/** The one error of the event log that a caller may want to act upon: somebody else appended first. */
import { DriverError } from "../errors.ts";

export class WrongExpectedVersion extends DriverError {
  readonly stream: string;
  readonly expected: number;
  /** Number of the stream's last event as it is. */
  readonly current: number;

  constructor(stream: string, expected: number, current: number) {
    const summary = `stream ${stream} is at version ${current}, not at ${expected} as expected`;
    super("WRONG_EXPECTED_VERSION", summary, { hint: "Read the stream again, decide again, append again" });
    this.stream = stream;
    this.expected = expected;
    this.current = current;
  }
}
