/** What a type of event consists of. The compiler rejects a type that leaves a part out. Pure. */
import type { z } from "zod";

/** Replaces each text that is masked. */
export const MASK = "…";

/** `text`: the whole text is masked. `listsInText`: only the lists in the text are masked. */
export type Masking = "text" | "listsInText";

/** An event without its type; `time` in milliseconds since the epoch. */
export interface EventBody<Data> {
  readonly time: number;
  readonly data: Data;
}

/** The parts of an event type that do not depend on the type of its data. */
export interface EventTraits {
  readonly schema: { readonly shape: Readonly<Record<string, unknown>> };
  /**
   * For each version of the schemas, the fields that it added, nested as in the data. Each field has the
   * value that events of earlier versions get. Any change other than a new field needs a new type of event.
   */
  readonly added?: { readonly [version: number]: unknown };
  /** What happened, in a few words. */
  readonly title: string;
  /**
   * Returns the words for this event in the title of its group, such as `SIGKILL sent` in the title
   * `Stop requested → SIGKILL sent`. Takes the event's summary. Default: the event's title.
   */
  readonly outcome?: (summary: string) => string;
  readonly shown: {
    /** The colour of the type; `wrong` looks like `bad`, and is always an error. */
    readonly tone: "good" | "plain" | "bad" | "wrong";
    /** `input`: describes the task's request, host and sandbox, before anything runs. */
    readonly category: "input" | "start" | "run" | "command" | "end" | "takeover";
    /**
     * A request opens a group. Later events belong to the group until an event closes it or opens the next
     * group.
     */
    readonly group: "opens" | "continues" | "closes";
    /** Who causes the event, and whom it affects. */
    readonly parties: readonly ["agent" | "task", "driver"] | readonly ["driver", "driver" | "task"];
  };
  readonly fields: {
    /**
     * Fields that differ between any two runs of the same task, so a comparison skips them: process ids and
     * start times, other times, ids of host and boot, digests, run folders, and measurements. The launch
     * plan is skipped, too, because it repeats such values and other fields. docs/replay.md lists the
     * skipped fields.
     */
    readonly ignored: readonly string[];
    /** Paths of fields that may hold secrets. They are masked wherever they are shown or exported. */
    readonly masked: { readonly [field: string]: Masking | undefined };
  };
}

/** The traits, and the parts that depend on the type of the data. */
export interface EventParts<Data> extends EventTraits {
  readonly added?: { readonly [version: number]: PartOf<Data> };
  /** One line in plain words. */
  readonly summary: (data: Data) => string;
  /** Whether an event of this type is an error. Left out if the type alone decides. */
  readonly wentWrong?: (data: Data, from: string) => boolean;
  readonly fields: {
    readonly ignored: readonly PathIn<Data>[];
    readonly masked: { readonly [Field in PathIn<Data>]?: Masking };
  };
}

/** What `nomad alloc status` shows of an event. */
export interface EventMessage {
  readonly text: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of a task's messages with the same key, only the first is sent: some events can come every second. */
  readonly once?: string;
}

/** A sentence of `why`, without its full stop, and the events of one type that it is based on. */
export interface EventSentence<Data> {
  readonly of: readonly EventBody<Data>[];
  readonly text: string;
}

/** A metric that counts by how much running totals in the task's context grow with an event. */
export interface EventCounter<Known> {
  readonly name: string;
  readonly help: string;
  /** The label of its series, and the values that begin with zero. Absent for a metric of one series. */
  readonly label?: readonly [name: string, values: readonly string[]];
  /** By the label's value, which is empty in a metric of one series. */
  readonly totals: (known: Known) => Iterable<readonly [value: string, total: number]>;
}

/**
 * `evolve` reads the part `Known` of the task's context, and changes the part `Change`. `message` reads `Told` of the
 * context after the event, `counts` compares `Counted` of both.
 */
export interface EventDefinition<S extends z.ZodObject, Known, Change, Told, Counted>
  extends EventParts<z.infer<S>> {
  /**
   * The data. They never contain values of the task's environment. A new field must be required, and must be
   * in `added`.
   */
  readonly schema: S;
  /** Pure; called only for events that the machine accepts. */
  readonly evolve: (event: EventBody<z.infer<S>>, known: Known) => Change;
  /** What a person has to know of a task; undefined if this event needs no message. */
  readonly message?: (data: z.infer<S>, context: Told) => EventMessage | undefined;
  /** What `why` says of all events of the type. Absent if other sentences tell of them. */
  readonly sentences?: (facts: readonly EventBody<z.infer<S>>[]) => readonly EventSentence<z.infer<S>>[];
  readonly counts?: EventCounter<Counted>;
}

export function defineEvent<S extends z.ZodObject, Known, Change extends object, Told, Counted>(
  definition: EventDefinition<S, Known, Change, Told, Counted>,
): EventDefinition<S, Known, Change, Told, Counted> {
  return definition;
}

/** `field`, or `field.inner` and `field.inner.more` for an object or a list of objects. */
type PathIn<T> = {
  [K in keyof T & string]: K | `${K}.${InnerPath<EntryOf<NonNullable<T[K]>>>}`;
}[keyof T & string];

type InnerPath<T> = {
  [K in keyof T & string]: K | `${K}.${keyof EntryOf<NonNullable<T[K]>> & string}`;
}[keyof T & string];

type EntryOf<T> = T extends readonly (infer Entry)[] ? Entry : T;

type PartOf<T> = T extends readonly unknown[] | null
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: PartOf<T[K]> }
    : T;
