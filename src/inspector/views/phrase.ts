/** A step of a history in plain words. Pure. */

import { reasonOf } from "../../history/replay/check/streamCheck.ts";
import { damagedText } from "../../history/replay/history.ts";
import { maskEvent } from "../../history/replay/mask.ts";
import { isDamaged } from "../../history/replay/storedHistory.ts";
import { summarize, traitsOf } from "../../machines/events.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import type { StoredEvent } from "../../store/eventStore.ts";

export interface Phrase {
  /** What happened, in a few words. */
  readonly title: string;
  /** What happened, with details. */
  readonly text: string;
  /** The event, phrased as the outcome of a request. */
  readonly outcome: string;
}

export function phraseOf(stored: StoredEvent): Phrase {
  const { title = stored.type, outcome = () => title.toLowerCase() } = traitsOf(stored.type) ?? {};
  const text = textOf(stored);
  return { title, text, outcome: outcome(text) };
}

function textOf(stored: StoredEvent): string {
  if (isDamaged(stored)) return damagedText;
  try {
    return summarize(thisMachine.readEvent(maskEvent(stored)));
  } catch (thrown) {
    return `this version cannot read it: ${reasonOf(thrown)}`;
  }
}
