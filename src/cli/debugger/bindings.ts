/** Key bindings: the single list behind the view, its help page and the documentation. Pure. */
import { type DebuggerState, notified, type Page, refused, shownHistory } from "./debuggerState.ts";
import { goTo, goToError, goToMatch, step, turnPages } from "./moves.ts";
import { openPrompt } from "./prompt.ts";
import { continueTo, removeBreakpoint } from "./stops.ts";
import { dropCurrent, undoEdits } from "./whatIfEdits.ts";

export interface Binding {
  /** Names of keys (terminal/keyName.ts). */
  readonly keys: readonly string[];
  /** The keys as the help page shows them. */
  readonly shown: string;
  readonly does: string;
  /** @param count the number that was typed before the key; undefined if there was none */
  readonly act: (state: DebuggerState, count: number | undefined) => DebuggerState;
}

export interface BindingGroup {
  readonly title: string;
  /** Pages with these bindings. If several groups bind a key, the first one applies. */
  readonly pages: readonly Page[];
  readonly bindings: readonly Binding[];
}

const togglePage =
  (page: Page): Binding["act"] =>
  (state) => ({ ...state, page: state.page === page ? "moment" : page, scroll: 0 });
const closePage: Binding["act"] = (state) => ({ ...state, page: "moment", scroll: 0 });
const promptWith =
  (text: string): Binding["act"] =>
  (state) => ({ ...state, prompt: openPrompt(":", text) });
const scrollBy =
  (by: number): Binding["act"] =>
  (state, count = 1) => ({ ...state, scroll: Math.max(0, state.scroll + by * count) });
const selectBy =
  (by: number): Binding["act"] =>
  (state, count = 1) => ({
    ...state,
    selected: Math.max(0, Math.min(state.selected + by * count, state.breakpoints.length - 1)),
  });

const moments = ["moment", "whole"] as const;
const lists = ["help", "breakpoints", "edits"] as const;
/** More lines than any page has. */
const allLines = 1_000_000;

export const bindingGroups: readonly BindingGroup[] = [
  {
    title: "The whole event (return), and lists",
    pages: ["whole", "help", "edits"],
    bindings: [
      { keys: ["j", "down"], shown: "j ↓", does: "one line down", act: scrollBy(1) },
      { keys: ["k", "up"], shown: "k ↑", does: "one line up", act: scrollBy(-1) },
      { keys: [" ", "pagedown", "C-f"], shown: "space PgDn", does: "one page forward", act: scrollBy(10) },
      { keys: ["pageup", "C-b"], shown: "PgUp", does: "one page back", act: scrollBy(-10) },
      { keys: ["g", "home"], shown: "g Home", does: "to the top", act: scrollBy(-allLines) },
      { keys: ["G", "end"], shown: "G End", does: "to the end", act: scrollBy(allLines) },
      { keys: ["q", "escape", "return"], shown: "q Esc return", does: "back to the events", act: closePage },
    ],
  },
  {
    title: "List of breakpoints (B)",
    pages: ["breakpoints"],
    bindings: [
      { keys: ["j", "down"], shown: "j ↓", does: "choose the next one", act: selectBy(1) },
      { keys: ["k", "up"], shown: "k ↑", does: "choose the previous one", act: selectBy(-1) },
      {
        keys: ["d", "x", "delete", "backspace"],
        shown: "d x",
        does: "remove it",
        act: (state) => removeBreakpoint(state, state.selected),
      },
      { keys: ["q", "escape", "return"], shown: "q Esc return", does: "back to the events", act: closePage },
    ],
  },
  {
    title: "Going through the events",
    pages: moments,
    bindings: [
      {
        keys: ["j", "down", "right", " "],
        shown: "j ↓ → space",
        does: "to the next event",
        act: (state, count = 1) => step(state, count),
      },
      {
        keys: ["k", "up", "left", "backspace"],
        shown: "k ↑ ← backspace",
        does: "to the previous event",
        act: (state, count = 1) => step(state, -count),
      },
      {
        keys: ["g", "home"],
        shown: "g Home",
        does: "to the first event; 7g: to event 7",
        act: (state, count = 1) => goTo(state, count),
      },
      {
        keys: ["G", "end"],
        shown: "G End",
        does: "to the last event; 7G: to event 7",
        act: (state, count) => goTo(state, count ?? shownHistory(state).length),
      },
      {
        keys: ["pagedown", "C-f"],
        shown: "PgDn Ctrl-F",
        does: "one page forward",
        act: (state, count = 1) => turnPages(state, count),
      },
      {
        keys: ["pageup", "C-b"],
        shown: "PgUp Ctrl-B",
        does: "one page back",
        act: (state, count = 1) => turnPages(state, -count),
      },
      { keys: ["C-d"], shown: "Ctrl-D", does: "half a page forward", act: (state) => turnPages(state, 0.5) },
      { keys: ["C-u"], shown: "Ctrl-U", does: "half a page back", act: (state) => turnPages(state, -0.5) },
      { keys: ["e"], shown: "e", does: "to the next error", act: (state) => goToError(state, 1) },
      { keys: ["E"], shown: "E", does: "to the previous error", act: (state) => goToError(state, -1) },
      { keys: ["s"], shown: "s", does: "to a state", act: promptWith("state ") },
      {
        keys: ["t"],
        shown: "t",
        does: "to a time: 20:24:27.865, +1.5s from the first event",
        act: promptWith(""),
      },
      {
        keys: ["/"],
        shown: "/",
        does: "search: text in type, states, effects and data",
        act: (state) => ({ ...state, prompt: openPrompt("/") }),
      },
      {
        keys: ["n"],
        shown: "n",
        does: "to the next match; without a search, to the next event",
        act: (state) => (state.search === "" ? step(state, 1) : goToMatch(state, 1)),
      },
      {
        keys: ["N", "p"],
        shown: "N p",
        does: "to the previous match; without a search, to the previous event",
        act: (state) => (state.search === "" ? step(state, -1) : goToMatch(state, -1)),
      },
      {
        keys: ["F"],
        shown: "F",
        does: "follow a running task: go to each new event",
        act: follow,
      },
    ],
  },
  {
    title: "Looking closer",
    pages: moments,
    bindings: [
      {
        keys: ["return"],
        shown: "return",
        does: "the whole event, with the task's context",
        act: goOrOpen,
      },
      { keys: ["J", "S-down", "C-e"], shown: "J Ctrl-E", does: "scroll the event", act: scrollBy(1) },
      { keys: ["K", "S-up", "C-y"], shown: "K Ctrl-Y", does: "scroll back", act: scrollBy(-1) },
      {
        keys: ["tab"],
        shown: "tab",
        does: "show or hide the list of events",
        act: (state) => ({ ...state, listShown: !state.listShown }),
      },
      {
        keys: ["escape"],
        shown: "Esc",
        does: "end the search",
        act: (state) => ({ ...state, search: "" }),
      },
    ],
  },
  {
    title: "Breakpoints",
    pages: [...moments, ...lists],
    bindings: [
      {
        keys: ["b"],
        shown: "b",
        does: "set one: state:NAME, type:NAME or an expression",
        act: promptWith("break "),
      },
      { keys: ["B"], shown: "B", does: "list them, and remove some", act: togglePage("breakpoints") },
      { keys: ["c"], shown: "c", does: "continue to the next", act: (state) => continueTo(state, 1) },
      { keys: ["C"], shown: "C", does: "continue backwards", act: (state) => continueTo(state, -1) },
    ],
  },
  {
    title: "What if (nothing is stored)",
    pages: [...moments, "edits"],
    bindings: [
      { keys: ["x"], shown: "x", does: "drop the event", act: dropCurrent },
      { keys: ["m"], shown: "m", does: "change it: FIELD=VALUE …", act: promptWith("change ") },
      {
        keys: ["i"],
        shown: "i",
        does: "insert one after it: TYPE FIELD=VALUE …",
        act: promptWith("insert "),
      },
      { keys: ["u"], shown: "u", does: "undo the last edit", act: (state) => undoEdits(state, false) },
      {
        keys: ["U"],
        shown: "U",
        does: "undo all: the history as it was recorded",
        act: (state) => undoEdits(state, true),
      },
      { keys: ["w"], shown: "w", does: "list the edits, as a file for --what-if", act: togglePage("edits") },
    ],
  },
  {
    title: "The rest",
    pages: [...moments, ...lists],
    bindings: [
      { keys: [":"], shown: ":", does: "a command, or a place to go to", act: promptWith("") },
      { keys: ["?", "h"], shown: "?", does: "open or close this page", act: togglePage("help") },
      { keys: ["C-l"], shown: "Ctrl-L", does: "redraw", act: (state) => state },
      { keys: ["q", "C-c"], shown: "q Ctrl-C", does: "quit", act: (state) => ({ ...state, over: true }) },
    ],
  },
];

/** The binding of a key on a page. */
export function bindingOf(page: Page, key: string): Binding | undefined {
  return bindingGroups
    .filter(({ pages }) => pages.includes(page))
    .flatMap(({ bindings }) => bindings)
    .find(({ keys }) => keys.includes(key));
}

/** As in pagers, goes to the event whose number was typed before the key. With no number, opens the event. */
function goOrOpen(state: DebuggerState, count: number | undefined): DebuggerState {
  return count === undefined ? { ...state, page: "whole", scroll: 0 } : goTo(state, count);
}

function follow(state: DebuggerState): DebuggerState {
  if (!state.live) return refused(state, "no event will come: the task is over, or its history is a copy");
  if (state.following) return notified({ ...state, following: false }, "not following any more");
  return notified({ ...goTo(state, shownHistory(state).length), following: true }, "following");
}
