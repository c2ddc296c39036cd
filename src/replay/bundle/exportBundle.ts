/** Writing bundles. */
import { arch, release } from "node:os";
import { thisMachine } from "../../machines/machineVersion.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { eventLine, headerLine } from "./bundleFormat.ts";

/** A stream to export, and the log that it is in. */
export interface ExportedStream {
  readonly head: StreamHead;
  readonly reader: EventReader;
}

/**
 * The lines of a bundle, one at a time. Values of the environment are in no
 * event, so in no bundle either.
 * @param mask whether to mask arguments of commands, where secrets may be too
 * @throws TypeError where a record is damaged: there is no proof of it that could be taken along
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
    let left = head.version;
    for (const bytes of reader.readRecords(head.stream)) {
      // What came after its head was read.
      if (left-- === 0) break;
      yield eventLine(bytes, mask);
    }
  }
}
