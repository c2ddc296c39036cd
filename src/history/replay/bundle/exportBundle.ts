/** Writes bundles. */
import { arch, release } from "node:os";
import { thisMachine } from "../../../machines/machineVersion.ts";
import { isDefect, readRecord } from "../../../store/eventRecord.ts";
import type { EventReader, StreamHead } from "../../../store/eventStore.ts";
import { thinned } from "../../../store/usage/usageSample.ts";
import { describeDamage } from "../storedHistory.ts";
import { damagedLine, eventLine, headerLine, usageLine } from "./bundleFormat.ts";

/** Maximum number of usage samples of a task. They should be small, compared with the task's events. */
const maxSamples = 128;

/** A stream to export, and the log that holds it. */
export interface ExportedStream {
  readonly head: StreamHead;
  readonly reader: EventReader;
}

/**
 * Yields the lines of a bundle. Events hold no values of the environment, so
 * bundles hold none either.
 * @param mask whether to mask arguments of commands, which may contain secrets
 */
export function* bundleLines(
  streams: readonly ExportedStream[],
  { mask, now }: { readonly mask: boolean; readonly now: number },
): Iterable<string> {
  const { driver, schema } = thisMachine;
  yield headerLine({
    driver,
    schema,
    host: { kernel: release(), arch: arch(), node: process.versions.node },
    exportedAt: now,
    masked: mask,
    streams: streams.map(({ head: { stream, version, hash } }) => ({ stream, version, hash })),
  });
  for (const { head, reader } of streams) {
    const { stream, version } = head;
    let seq = 0;
    for (const bytes of reader.readRecords(stream)) {
      // Later records were appended after the head was read.
      if (seq === version) break;
      seq += 1;
      const read = readRecord(bytes);
      if (isDefect(read) || read.event.stream !== stream || read.event.seq !== seq) {
        reader.noteDamage(describeDamage(stream, seq));
      }
      yield eventLine(bytes, mask, read);
    }
    while (seq < version) {
      seq += 1;
      reader.noteDamage(describeDamage(stream, seq));
      yield damagedLine;
    }
    const samples = reader.usage(stream);
    yield usageLine(stream, samples.length > maxSamples ? thinned(samples, maxSamples) : samples);
  }
}
