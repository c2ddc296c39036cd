/** Writes bundles. */
import { arch, release } from "node:os";
import { thisMachine } from "../../machines/machineVersion.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { eventLine, headerLine } from "./bundleFormat.ts";

/** A stream to export, and the log that holds it. */
export interface ExportedStream {
  readonly head: StreamHead;
  readonly reader: EventReader;
}

/**
 * Yields the lines of a bundle. Events hold no values of the environment, so
 * bundles hold none either.
 * @param mask whether to mask arguments of commands, which may contain secrets
 * @throws TypeError if a record is damaged: it has no proof to export
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
    let remaining = head.version;
    for (const bytes of reader.readRecords(head.stream)) {
      // Later records were appended after the head was read.
      if (remaining-- === 0) break;
      yield eventLine(bytes, mask);
    }
  }
}
