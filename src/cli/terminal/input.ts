/** Standard input that nothing reads any more, and that may still keep this process from ending. */
import { ReadStream } from "node:fs";

let isAbandoned = false;

/**
 * Stops reading standard input. If it is a device but no terminal, Node reads it on a thread, and nothing can
 * interrupt a read that the device never answers.
 */
export function abandonInput(): void {
  const stdin: unknown = process.stdin;
  process.stdin.pause();
  isAbandoned = stdin instanceof ReadStream && !stdin.readableEnded;
}

/** Whether a read that was not answered may keep this process from ending. */
export function mayWaitForInput(): boolean {
  return isAbandoned;
}
