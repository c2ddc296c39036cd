/** Usage samples in bundles: one line after the events of each stream. Pure. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { parseJsonOrNothing } from "../../json.ts";
import {
  fromNumbers,
  maxSamples,
  numbersOfSample,
  toNumbers,
  type UsageSample,
} from "../../store/usage/usageSample.ts";

const lineSchema = z.strictObject({
  /** Name of the stream. */
  usage: z.string(),
  /** The fields of each sample in their order; null for values that the host does not measure. */
  samples: z.array(z.array(z.number().nullable()).length(numbersOfSample)).max(maxSamples),
  /** SHA-256 of the line without this field. Samples are not in the hash chain. */
  checksum: z.string(),
});

export function usageLine(stream: string, samples: readonly UsageSample[]): string {
  // JSON writes NaN as null.
  return withChecksum({ usage: stream, samples: samples.map(toNumbers) });
}

/** @returns undefined if the line was changed, or belongs to another stream */
export function samplesIn(line: string, stream: string): UsageSample[] | undefined {
  const parsed = lineSchema.safeParse(parseJsonOrNothing(line));
  if (!parsed.success || parsed.data.usage !== stream) return undefined;
  const { usage, samples } = parsed.data;
  return withChecksum({ usage, samples }) === line ? samples.map(fromNumbers) : undefined;
}

function withChecksum(fields: object): string {
  const checksum = createHash("sha256").update(JSON.stringify(fields)).digest("hex");
  return JSON.stringify({ ...fields, checksum });
}
