/** Parsers of user input for the replay: breakpoints and edits. */

import { parseBreakpoint, stopsAmong } from "../../../src/history/replay/breakpoint.ts";
import { History } from "../../../src/history/replay/history.ts";
import { parseEdits, whatIf } from "../../../src/history/replay/whatIf.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { StoredEvent } from "../../../src/store/eventStore.ts";
import { visible } from "../../../src/units/visible.ts";
import { life } from "../../support/history/history.ts";
import { allowing, hold, type Target } from "../target.ts";

const history = historyOf(life("killed"));

/** A breakpoint. */
export const breakpoints: Target = {
  fuzz: (bytes) => {
    const text = bytes.toString();
    allowing(["EXPRESSION_INVALID"], () => [...stopsAmong(history.moments(1), [parseBreakpoint(text)])]);
    // Errors quote the user's input.
    hold(!/[\p{Cc}\u202e]/u.test(visible(text)), "a control character is shown");
  },
  seeds: () => [
    "state:running",
    "type: exited",
    "data.exitCode != 0 && since > 250ms",
    'state == "running" || (seq >= 3 && !refused)',
    "before.signals < 2 and error",
    "data.args[0] == '-c'",
    'time > 2026-11-24T16:05:09 && effects has "launch"',
  ],
};

/** A file of edits. */
export const edits: Target = {
  fuzz: (bytes) => {
    allowing(["EDITS_INVALID"], () => {
      const { history: edited, fork } = whatIf(history, parseEdits(bytes.toString()));
      for (const moment of edited.moments(1)) JSON.stringify(moment);
      hold(fork >= 1 && fork <= edited.length + 1, `the fork is at ${fork}`);
    });
  },
  seeds: () => [
    '[{"drop": 5}, {"change": 1, "time": 1}]',
    '[{"insert": 4, "type": "oomSeen", "data": {"kills": 1, "limitBytes": 1, "peakBytes": null}}]',
    '[{"change": 4, "data": {"bootId": "other"}}]',
    '[{"insert": 0, "type": "destroyed", "time": 3, "data": {}}]',
  ],
};

function historyOf(events: readonly TaskEvent[]): History {
  let snapshot = initialSnapshot;
  const stored = events.map((event, index): StoredEvent => {
    const { snapshot: after, accepted: _accepted, ...made } = step(snapshot, event);
    snapshot = after;
    const place = { stream: "a/web/1", seq: index + 1, position: index + 1, hash: "" };
    return { ...event, ...made, ...place, schema: 1 };
  });
  return new History("a/web/1", stored);
}
