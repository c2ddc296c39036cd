/** Parses the data from a launch's report pipe. Pure. */
import type { ProcessIdentity } from "../processes/processStat.ts";
import { identityRecord, parseIdentity } from "../run/runLayout.ts";

/** Everything that the processes of a launch reported before all of them closed the pipe. */
export interface Report {
  /** The processes that reported their identity: init, then the task. */
  readonly processes: readonly ProcessIdentity[];
  readonly failure: StepFailure | undefined;
}

/** A step that failed. */
interface StepFailure {
  /** Address of its entry in the assembled plan. */
  readonly entry: number;
  readonly errno: number;
}

/**
 * Parses a report. Each record begins with a word: 0 for an identity, otherwise the
 * address of the entry that failed. Skips a truncated record.
 */
export function parseReport(bytes: Uint8Array): Report {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const processes: ProcessIdentity[] = [];
  let failure: StepFailure | undefined;
  let offset = 0;
  while (offset + FAILURE_BYTES <= bytes.length) {
    const entry = view.getUint32(offset, true);
    if (entry === 0) {
      const process = parseIdentity(bytes.subarray(offset));
      if (process !== undefined) processes.push(process);
      offset += identityRecord.bytes;
    } else {
      failure ??= { entry, errno: view.getUint32(offset + 8, true) };
      offset += FAILURE_BYTES;
    }
  }
  return { processes, failure };
}

const FAILURE_BYTES = 16;
