/** What a search of all events finds. Pure. */

/** An event that contains all words. */
export interface EventHit {
  /** The task's id. */
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly title: string;
  readonly text: string;
}

export interface EventHits {
  readonly hits: readonly EventHit[];
  /**
   * The place at which to continue: the number of the log, and the position before which to search. Null at
   * the end.
   */
  readonly next: string | null;
}
