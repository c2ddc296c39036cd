/**
 * The format of bundles: files with histories of tasks and the hashes that prove them. JSON lines: a header,
 * then for each stream its events and its usage samples; at last a signature, if it is signed. Pure.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { parseJsonOrNothing } from "../../../base/json.ts";
import {
  isDefect,
  maskProof,
  type RecordProof,
  readProof,
  readRecord,
  rebuildRecord,
} from "../../../store/eventRecord.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import {
  fromNumbers,
  leastNumbersOfSample,
  maxSamples,
  numbersOfSample,
  toNumbers,
  type UsageSample,
} from "../../../store/usage/usageSample.ts";
import { maskEvent } from "../mask.ts";

/** Version of this format. */
const FORMAT = 1;

/** Maximum length of a reason. Without a limit, a reason could quote a line as long as the whole file. */
const MAX_REASON_LENGTH = 300;
/** Maximum depth of data, more than any event has. Much deeper data would overflow the stack. */
const MAX_DEPTH = 64;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const half = z.string().regex(/^[0-9a-f]{32}$/);

const headerSchema = z.strictObject({
  /** Identifies the file format. */
  bundle: z.literal("nomad-driver-exec2"),
  format: z.literal(FORMAT),
  /** Version of the driver that exported the bundle, and the newest event schema that its machine reads. */
  driver: z.string(),
  schema: z.int(),
  /** The host on which the bundle was exported. */
  host: z.strictObject({ kernel: z.string(), arch: z.string(), node: z.string() }),
  /** Milliseconds since the epoch. */
  exportedAt: z.number(),
  /** Whether arguments of commands are masked. */
  masked: z.boolean(),
  /** All streams, each once, in the order of their events in the file. */
  streams: z
    .array(z.strictObject({ stream: z.string(), version: z.int().nonnegative(), hash }))
    .refine(
      (streams) => new Set(streams.map(({ stream }) => stream)).size === streams.length,
      "a stream is listed twice",
    ),
  /** SHA-256 of the header without this field. */
  checksum: hash,
});

export type BundleHeader = z.infer<typeof headerSchema>;

const lineSchema = z.strictObject({
  stream: z.string(),
  seq: z.int().positive(),
  position: z.int().positive(),
  type: z.string(),
  schema: z.number(),
  time: z.number(),
  from: z.string(),
  to: z.string(),
  effects: z.array(z.string()),
  data: z.unknown(),
  /** Hash of the previous event. */
  previous: hash,
  /** Hash of salt and data, as stored in the log. */
  dataHash: hash,
  /** The salt of the data. Masked data have a checksum of the remaining data instead. */
  salt: half.optional(),
  checksum: half.optional(),
  /** Hash of all but salt and data. */
  hash,
});

export function headerLine(header: Omit<BundleHeader, "bundle" | "format" | "checksum">): string {
  const unsigned = { bundle: "nomad-driver-exec2" as const, format: FORMAT, ...header };
  return withChecksum(unsigned);
}

/** @returns the header, or the reason why the line is not a header */
export function readHeader(line: string): BundleHeader | string {
  const value = parseJsonOrNothing(line);
  if (value === undefined) return "its first line is not JSON";
  const parsed = headerSchema.safeParse(value);
  if (!parsed.success)
    return z
      .prettifyError(parsed.error)
      .replaceAll("✖ ", "")
      .replaceAll(/\s*\n\s*/g, ", ")
      .slice(0, MAX_REASON_LENGTH);
  const { checksum, ...unsigned } = parsed.data;
  return checksumOf(unsigned) === checksum ? parsed.data : "its checksum does not match";
}

/**
 * The line of an event.
 * @param bytes a record; a damaged record gives a line that is shown as damage when the bundle is opened
 * @param mask whether to mask possible secrets
 */
export function eventLine(bytes: Buffer, mask: boolean, read = readRecord(bytes)): string {
  if (isDefect(read)) return damagedLine;
  const proof = readProof(bytes);
  const event = mask ? maskEvent(read.event) : read.event;
  if (event === read.event) {
    const line = lineOf(event, proof);
    // JSON cannot represent -0, NaN and the like. Such data are exported without their proof.
    if (recordOf(line)?.equals(bytes)) return line;
  }
  const data: unknown = JSON.parse(JSON.stringify(event.data));
  return lineOf({ ...event, data }, maskProof(proof, data));
}

/** The line that replaces an event whose record is damaged. Nothing about this event can be proved. */
export const damagedLine = JSON.stringify({ damaged: true });

/** The record of an event's line; undefined if the line was changed. */
export function recordOf(line: string): Buffer | undefined {
  const parsed = lineSchema.safeParse(parseJsonOrNothing(line));
  if (!parsed.success || isDeeperThan(MAX_DEPTH, parsed.data.data)) return undefined;
  const { previous: previousHash, dataHash, salt, checksum, ...event } = parsed.data;
  const proof = { previousHash, dataHash, ...(salt === undefined ? { checksum } : { salt }) } as RecordProof;
  return lineOf(event, proof) === line ? rebuildRecord(event, proof) : undefined;
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeperThan(levels - 1, each));
}

function lineOf(
  event: StoredEvent,
  { previousHash: previous, dataHash, salt, checksum }: RecordProof,
): string {
  const { stream, seq, position, type, schema, time, from, to, effects, data, hash } = event;
  const seal = salt === undefined ? { checksum } : { salt };
  return JSON.stringify({
    ...{ stream, seq, position, type, schema, time, from, to, effects, data },
    ...{ previous, dataHash, ...seal, hash },
  });
}

const usageSchema = z.strictObject({
  /** Name of the stream. */
  usage: z.string(),
  /** The fields of each sample in their order; null for values that the host does not measure. */
  samples: z
    .array(z.array(z.number().nullable()).min(leastNumbersOfSample).max(numbersOfSample))
    .max(maxSamples),
  /** SHA-256 of the line without this field. Samples are not in the hash chain. */
  checksum: z.string(),
});

export function usageLine(stream: string, samples: readonly UsageSample[]): string {
  // JSON writes NaN as null.
  return withChecksum({ usage: stream, samples: samples.map(toNumbers) });
}

/** @returns undefined if the line was changed, or belongs to another stream */
export function samplesIn(line: string, stream: string): UsageSample[] | undefined {
  const parsed = usageSchema.safeParse(parseJsonOrNothing(line));
  if (!parsed.success || parsed.data.usage !== stream) return undefined;
  const { usage, samples } = parsed.data;
  return withChecksum({ usage, samples }) === line ? samples.map(fromNumbers) : undefined;
}

const signatureSchema = z.strictObject({ signature: z.base64().length(88), key: z.base64().length(44) });

/** A signature of Ed25519, and the public key that it fits, both in base64. */
export type BundleSignature = z.infer<typeof signatureSchema>;

/** The last line of a signed bundle. */
export function signatureLine(signature: BundleSignature): string {
  return JSON.stringify(signature);
}

/** The signature in a line; undefined if the line is of another kind. */
export function signatureIn(line: string): BundleSignature | undefined {
  return signatureSchema.safeParse(parseJsonOrNothing(line)).data;
}

function withChecksum(fields: object): string {
  return JSON.stringify({ ...fields, checksum: checksumOf(fields) });
}

function checksumOf(unsigned: object): string {
  return createHash("sha256").update(JSON.stringify(unsigned)).digest("hex");
}
