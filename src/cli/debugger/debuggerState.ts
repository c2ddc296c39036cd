/** The state of the debugger's view. It is plain data, to which reduce.ts applies keys. */
import type { Breakpoint } from "../../history/replay/breakpoint.ts";
import type { History, Moment } from "../../history/replay/history.ts";
import type { Edit, WhatIf } from "../../history/replay/whatIf.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/**
 * `moment` shows the current moment beside the list of events. `whole` shows the current moment in full. The
 * other pages are lists.
 */
export type Page = "moment" | "whole" | "help" | "breakpoints" | "edits";

/** A line that is being typed. */
export interface Prompt {
  readonly mark: ":" | "/";
  readonly text: string;
  /** Index in the text at which the next character is inserted. */
  readonly cursor: number;
  /** Number of the recalled earlier line, counted back from the newest; 0 for none. */
  readonly recalled: number;
  /** Completions of the word at the cursor. */
  readonly candidates: readonly string[];
}

export interface Notice {
  readonly text: string;
  readonly isProblem: boolean;
}

export interface DebuggerState {
  readonly size: Size;
  readonly recorded: History;
  /** What-if edits of the recorded history, in their order. */
  readonly edits: readonly Edit[];
  /** The edits before each change, for undo. */
  readonly earlierEdits: readonly (readonly Edit[])[];
  /** The edited history; undefined without edits. */
  readonly fork: WhatIf | undefined;
  /** Number of the current event in the shown history; 0 if this history has no events. */
  readonly at: number;
  readonly page: Page;
  /** Number of lines of the page, or of the current moment, that are scrolled off the top. */
  readonly scroll: number;
  /** Index of the selected breakpoint. */
  readonly selected: number;
  readonly listShown: boolean;
  readonly prompt: Prompt | undefined;
  /** Earlier lines of each prompt, the newest last. */
  readonly typed: Readonly<Record<Prompt["mark"], readonly string[]>>;
  /** Disappears with the next key. */
  readonly notice: Notice | undefined;
  /** The search text; empty without a search. */
  readonly search: string;
  readonly breakpoints: readonly Breakpoint[];
  /** Digits that were typed before a key. */
  readonly count: string;
  /** Whether the task may still get events. */
  readonly live: boolean;
  /** Whether the view moves to each new event. */
  readonly following: boolean;
  /** Whether the view should close. */
  readonly over: boolean;
}

export function initialState(recorded: History, size: Size, live = false): DebuggerState {
  return {
    ...{ size, recorded, live },
    edits: [],
    earlierEdits: [],
    fork: undefined,
    at: Math.min(1, recorded.length),
    page: "moment",
    scroll: 0,
    selected: 0,
    listShown: true,
    prompt: undefined,
    typed: { ":": [], "/": [] },
    notice: undefined,
    search: "",
    breakpoints: [],
    count: "",
    following: false,
    over: false,
  };
}

/** The shown history: the edited one, or else the recorded one. */
export function shownHistory({ fork, recorded }: DebuggerState): History {
  return fork?.history ?? recorded;
}

/** Undefined if the history has no events. */
export function currentMoment(state: DebuggerState): Moment | undefined {
  return state.at === 0 ? undefined : shownHistory(state).at(state.at);
}

export function notified(state: DebuggerState, text: string): DebuggerState {
  return { ...state, notice: { text, isProblem: false } };
}

export function refused(state: DebuggerState, text: string): DebuggerState {
  return { ...state, notice: { text, isProblem: true } };
}
