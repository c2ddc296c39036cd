/** Applies keys, resizes and new events to the state of the view. Pure. */
import { DriverError } from "../../base/errors.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { endKey } from "../terminal/keyName.ts";
import { bindingOf } from "./bindings.ts";
import { candidatesIn, runCommand } from "./commands.ts";
import { type DebuggerState, type Prompt, refused, type Size, shownHistory } from "./debuggerState.ts";
import { layoutOf } from "./layout.ts";
import { goTo, goToMatch } from "./moves.ts";
import { pageLines } from "./pageLines.ts";
import { typeKey } from "./prompt.ts";
import { continueFrom } from "./stops.ts";
import { withEdits } from "./whatIfEdits.ts";

export type Input =
  /** A key, by its name (terminal/keyName.ts). */
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "resize"; readonly size: Size }
  /** New events of the task's stream, in order. */
  | { readonly kind: "events"; readonly events: readonly StoredEvent[] };

export function reduce(state: DebuggerState, input: Input): DebuggerState {
  switch (input.kind) {
    case "key":
      return clampScroll(attempt({ ...state, notice: undefined }, (quiet) => press(quiet, input.key)));
    case "resize":
      return clampScroll({ ...state, size: input.size });
    case "events":
      return clampScroll(attempt(state, (before) => append(before, input.events)));
  }
}

/** Turns errors of user input into a notice, so that the view goes on. */
function attempt(state: DebuggerState, act: (state: DebuggerState) => DebuggerState): DebuggerState {
  try {
    return act(state);
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return refused(state, thrown.message.replaceAll(/\s*\n\s*/g, " "));
  }
}

function press(state: DebuggerState, key: string): DebuggerState {
  if (key === endKey) return { ...state, over: true };
  if (state.prompt !== undefined) return type(state, state.prompt, key);
  // As in vi, digits before a key are a count. No event's number has more than 9 digits.
  if (/^\d$/.test(key) && state.count.length < 9) return { ...state, count: state.count + key };
  const binding = bindingOf(state.page, key);
  const { count } = state;
  const next = { ...state, count: "" };
  if (binding !== undefined) return binding.act(next, count === "" ? undefined : Number(count));
  return refused(next, "this key does nothing here: ? lists the keys");
}

function type(state: DebuggerState, prompt: Prompt, key: string): DebuggerState {
  const { mark } = prompt;
  const complete = (text: string) => (mark === ":" ? candidatesIn(state, text) : []);
  const typed = typeKey(prompt, key, state.typed[mark], complete);
  if (typed === "cancelled") return { ...state, prompt: undefined };
  if (typed !== "done") return { ...state, prompt: typed };
  const text = prompt.text.trim();
  const earlier = [...state.typed[mark].filter((each) => each !== text), text];
  const done = {
    ...state,
    prompt: undefined,
    ...(text === "" ? {} : { typed: { ...state.typed, [mark]: earlier } }),
  };
  if (mark === "/") return text === "" ? done : goToMatch({ ...done, search: text, page: "moment" }, 1);
  if (text === "") return done;
  return runCommand(done, text);
}

/**
 * Appends new events. A view that follows the task goes to the first stop of a breakpoint, or else to the
 * newest event.
 */
function append(state: DebuggerState, events: readonly StoredEvent[]): DebuggerState {
  const recorded = state.recorded.extended(events);
  // A destroyed task has no further events.
  const longer = { ...state, recorded, live: recorded.events.at(-1)?.to !== "destroyed" };
  const next =
    state.edits.length === 0 ? longer : { ...withEdits(longer, state.edits), notice: state.notice };
  if (!state.following) return next;
  const stopped = continueFrom(next, shownHistory(state).length, 1);
  if (stopped !== undefined) return { ...stopped, following: false };
  const newest = goTo(next, shownHistory(next).length);
  // Any page other than `moment` stays open, at the same lines.
  return newest.page === next.page ? newest : { ...newest, page: next.page, scroll: next.scroll };
}

/** Limits scrolling to the page's end, and keeps the selected breakpoint visible. */
function clampScroll(state: DebuggerState): DebuggerState {
  const { page } = layoutOf(state);
  if (state.page === "breakpoints") return { ...state, scroll: Math.max(0, state.selected - page.rows + 2) };
  if (state.scroll === 0) return state;
  const maxScroll = Math.max(0, pageLines(state, page.columns).length - page.rows);
  return state.scroll <= maxScroll ? state : { ...state, scroll: maxScroll };
}
