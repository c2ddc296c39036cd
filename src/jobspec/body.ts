/**
 * Shapes that HCL and its JSON form share. A body is a map of attributes and
 * blocks. A block is a body or a list of bodies. A label wraps it in one more map.
 */
import { type JobFile, rejectJob } from "./jobFile.ts";

export type Body = Readonly<Record<string, unknown>>;

export interface LabelledBlock {
  readonly label: string;
  readonly block: Body;
}

/** The body of a block that may occur at most once; empty if the block is absent. */
export function body(file: JobFile, place: string, value: unknown): Body {
  const [first, second] = asList(value);
  if (second !== undefined) return rejectJob(file, { place, message: "there may be only one such block" });
  if (first === undefined) return {};
  if (typeof first !== "object" || Array.isArray(first)) {
    return rejectJob(file, { place, message: "a block is expected here, not a single value" });
  }
  return first as Body;
}

/** Blocks of one type: none, one, or a list. */
export function asList(value: unknown): readonly NonNullable<unknown>[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item) => item !== undefined && item !== null);
}

/** Blocks with one label, in the order of the parser, which sorts them. */
export function labelled(file: JobFile, place: string, value: unknown): LabelledBlock[] {
  const blocks = asList(value).flatMap((map) =>
    Object.entries(body(file, place, map)).map(([label, block]) => ({
      label,
      block: body(file, `${place}.${label}`, block),
    })),
  );
  for (const [index, { label }] of blocks.entries()) {
    const isFirst = blocks.findIndex((other) => other.label === label) === index;
    if (!isFirst) rejectJob(file, { place: `${place}.${label}`, message: "the name is used twice" });
  }
  return blocks;
}
