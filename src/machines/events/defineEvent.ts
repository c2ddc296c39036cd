/** All that there is to a type of event, and that none of it can be left out. */
import type { z } from "zod";

/** What stands in the place of each text that is masked. */
export const MASK = "…";

/** `text` is masked whole, of `listsInText` the lists that stand in it. */
export type Masking = "text" | "listsInText";

/** A fact of some type; `time` in milliseconds since the epoch. */
export interface Told<Data> {
  readonly time: number;
  readonly data: Data;
}

/** What is known of a type of event, whatever the type is. */
export interface EventTraits {
  readonly schema: { readonly shape: Readonly<Record<string, unknown>> };
  /**
   * Fields, nested as they are in the data, that a version of the schemas brought, with what they are for
   * the events from before it. A change that is more than a new field is a new type of event.
   */
  readonly added?: { readonly [version: number]: unknown };
  /** What happened, in a few words. */
  readonly title: string;
  /** How it stands in a chapter's title, behind the request that it came of. Absent: by its own title. */
  readonly outcome?: (summary: string) => string;
  readonly shown: {
    /** How its type looks among others; `wrong` looks bad, and is an error wherever it comes. */
    readonly tone: "good" | "plain" | "bad" | "wrong";
    /** `given`: it happens nothing yet, the task's request, host and sandbox are told. */
    readonly group: "given" | "start" | "run" | "command" | "end" | "takeover";
    /** A request opens a chapter of the story; what comes of one belongs to it until it is closed, or another one is made. */
    readonly chapter: "opens" | "goesOn" | "closes";
    /** Who causes it, and whom it concerns. */
    readonly parties: readonly ["agent" | "task", "driver"] | readonly ["driver", "driver" | "task"];
  };
  readonly fields: {
    /**
     * What differs between any two runs of one and the same task, and is not compared: process ids and start
     * times, times, ids of host and boot, digests, folders of a run, and what was measured. The launch plan
     * follows from the rest and is full of these. docs/replay.md has these fields in words.
     */
    readonly ignored: readonly string[];
    /** What may hold what its owner would not publish: it is shown and handed out masked. */
    readonly masked: { readonly [field: string]: Masking | undefined };
  };
}

/** The same for data of a type. */
export interface EventParts<Data> extends EventTraits {
  readonly added?: { readonly [version: number]: PartOf<Data> };
  /** One line in plain words. */
  readonly summary: (data: Data) => string;
  /** Whether it is an error, where its data and the state before tell. */
  readonly wentWrong?: (data: Data, from: string) => boolean;
  readonly fields: {
    readonly ignored: readonly PathIn<Data>[];
    readonly masked: { readonly [Field in keyof Data & string]?: Masking };
  };
}

/** `Known` is what it needs of the task's context, `Change` the part of it that it changes. */
export interface EventDefinition<S extends z.ZodObject, Known, Change> extends EventParts<z.infer<S>> {
  /** Of what is told, without values of the task's environment. A new field is required, and is in `added`, too. */
  readonly schema: S;
  /** Pure; called only for events that the machine accepts. */
  readonly evolve: (event: Told<z.infer<S>>, known: Known) => Change;
}

export function defineEvent<S extends z.ZodObject, Known, Change extends object>(
  definition: EventDefinition<S, Known, Change>,
): EventDefinition<S, Known, Change> {
  return definition;
}

/** `field` or `field.inner`. */
type PathIn<T> = { [K in keyof T & string]: K | `${K}.${keyof NonNullable<T[K]> & string}` }[keyof T &
  string];

type PartOf<T> = T extends readonly unknown[] | null
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: PartOf<T[K]> }
    : T;
