/** All that the view of a history shows and remembers. Plain data: what keys make of it is in reduce.ts. */
import type { Breakpoint } from "../../replay/breakpoint.ts";
import type { History, Moment } from "../../replay/history.ts";
import type { Edit, WhatIf } from "../../replay/whatIf.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** `moment`: the list beside the present moment; `whole`: all of that moment; the others are lists of their own. */
export type Page = "moment" | "whole" | "help" | "breakpoints" | "edits";

/** A line that is being typed. */
export interface Prompt {
  readonly mark: ":" | "/";
  readonly text: string;
  /** Index in the text before which the next character goes. */
  readonly cursor: number;
  /** How many lines back an earlier one is recalled; 0: none is. */
  readonly recalled: number;
  /** What the word at the cursor could become. */
  readonly candidates: readonly string[];
}

export interface Notice {
  readonly text: string;
  readonly isProblem: boolean;
}

export interface DebuggerState {
  readonly size: Size;
  readonly recorded: History;
  /** What if: edits of the recorded history, in their order, and what becomes of it. */
  readonly edits: readonly Edit[];
  /** What the edits were before each of them. */
  readonly earlierEdits: readonly (readonly Edit[])[];
  readonly fork: WhatIf | undefined;
  /** Number of the present event in the history that is shown; 0 where that has none. */
  readonly at: number;
  readonly page: Page;
  /** Lines of the page, or of the present moment, that are above what is seen. */
  readonly scroll: number;
  /** Index of the breakpoint that keys are about. */
  readonly selected: number;
  readonly listShown: boolean;
  readonly prompt: Prompt | undefined;
  /** Lines that were typed, the newest last. */
  readonly typed: Readonly<Record<Prompt["mark"], readonly string[]>>;
  /** Goes with the next key. */
  readonly notice: Notice | undefined;
  /** What is searched for; empty: nothing. */
  readonly search: string;
  readonly breakpoints: readonly Breakpoint[];
  /** Digits that were typed before a key. */
  readonly count: string;
  /** Events may still come. */
  readonly live: boolean;
  /** The newest event is gone to as it comes. */
  readonly following: boolean;
  /** The view is to be left. */
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

/** The history that is shown: the recorded one, or what became of it. */
export function shownHistory({ fork, recorded }: DebuggerState): History {
  return fork?.history ?? recorded;
}

/** Undefined where the history has no event. */
export function presentMoment(state: DebuggerState): Moment | undefined {
  return state.at === 0 ? undefined : shownHistory(state).at(state.at);
}

export function told(state: DebuggerState, text: string): DebuggerState {
  return { ...state, notice: { text, isProblem: false } };
}

export function refused(state: DebuggerState, text: string): DebuggerState {
  return { ...state, notice: { text, isProblem: true } };
}
