/** Findings of a check as text. Pure. */

import type { DriverError } from "../../base/errors.ts";
import type { CheckReport } from "../../history/replay/check/checkLog.ts";
import type { Finding } from "../../history/replay/check/streamCheck.ts";
import { maskEvent } from "../../history/replay/mask.ts";
import type { MachineVersion } from "../../machines/machineVersion.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import type { StreamDefect } from "../../store/verifyStream.ts";
import { countOf } from "../../units/counts.ts";
import { formatTime } from "../../units/times.ts";
import { visible, visibleJson, visibleLines } from "../../units/visible.ts";
import type { Style } from "../terminal/style.ts";
import { formatTable } from "../terminal/table.ts";

/** What a check found: the log's events, and the signature if one was asked for. */
interface Checked extends CheckReport {
  /** What is wrong with the bundle's signature; undefined if nothing is, or if none was asked for. */
  readonly signature?: DriverError | undefined;
  /** The key with which somebody has signed the bundle, by its fingerprint; undefined if its owner is known, or without. */
  readonly signer?: string | undefined;
}

/** Whether a check found nothing. */
export function isVerified({ findings, damage, signature }: Checked): boolean {
  return findings.length === 0 && damage.length === 0 && signature === undefined;
}

/** Whoever changes a bundle can sign it again with a key of their own. Only a known key verifies where it comes from. */
function goodWords({ signer }: Checked): string {
  if (signer === undefined) return "all verified";
  return `all intact, and unchanged since somebody signed it (key ${signer}, unknown to you: --key checks whose it is)`;
}

/** The result in a few words. Damage of the log comes before a signature that does not fit because of it. */
function badWords({ findings, damage, signature }: Checked): string {
  if (findings.length > 0) return `${countOf(findings.length, "task")} not as recorded`;
  if (damage.length > 0) return "the log is damaged";
  return signature?.code === "SIGNATURE_MISSING"
    ? "all intact, but not signed"
    : "all intact, but the signature does not fit";
}

export class FindingView {
  readonly #style: Style;
  readonly #showArgs: boolean;

  constructor(style: Style, showArgs: boolean) {
    this.#style = style;
    this.#showArgs = showArgs;
  }

  /** All findings, then a summary on one line. */
  report(found: Checked, { driver }: MachineVersion): string {
    const { streams, events, findings, damage, signature } = found;
    const checked = `${countOf(events, "event")} of ${countOf(streams, "task")}, with the machine of version ${driver}`;
    const result = isVerified(found) ? this.#style.green(goodWords(found)) : this.#style.red(badWords(found));
    return [
      ...findings.map((finding) => `${this.#finding(finding)}\n`),
      ...damage.map((each) => `The log itself: ${this.#style.red(visible(each))}\n`),
      ...(signature === undefined
        ? []
        : [`${this.#style.red(visible(`${signature.code}: ${signature.message}`))}\n`]),
      `${checked}: ${result}`,
    ].join("\n");
  }

  /** All findings and the summary's figures, for programs. */
  fields({ streams, events, findings, damage, signature, signer }: Checked, { driver }: MachineVersion) {
    const masked = findings.map((finding) =>
      "event" in finding ? { ...finding, event: this.#masked(finding.event) } : finding,
    );
    const { code, summary } = signature ?? {};
    const problem = signature === undefined ? {} : { signature: { code, problem: summary } };
    const signed = signer === undefined ? {} : { signedByUnknownKey: signer };
    return { driver, streams, events, findings: masked, damage, ...problem, ...signed };
  }

  #finding(finding: Finding): string {
    const { stream, seq } = finding;
    const at = `${this.#style.bold(visible(stream))}, event ${seq}`;
    switch (finding.kind) {
      case "damage": {
        const { defect } = finding;
        const sides = [
          ["  expected", visible(defect.expected)],
          ["  found", visible(defect.found)],
        ];
        return `${at}: ${this.#style.red(defects[defect.kind])}\n${table(sides)}`;
      }
      case "divergence": {
        const { event, now } = finding;
        const sides = [
          ["  recorded", visible(`${event.from} → ${event.to}`), list(event.effects)],
          [
            "  now",
            visible(`${now.from} → ${now.to}`),
            now.accepted ? list(now.effects) : "the event is refused",
          ],
        ];
        return `${at}, ${this.#event(event)}: ${this.#style.red("diverges")}\n${table(sides)}\n${this.#data(event)}`;
      }
      case "unreadable": {
        const { event, reason } = finding;
        const what = this.#style.red("the machine rejects it");
        return `${at}, ${this.#event(event)}: ${what}\n  ${visibleLines(reason).replaceAll("\n", "\n  ")}\n${this.#data(event)}`;
      }
    }
  }

  #event({ type, time }: StoredEvent): string {
    return `${visible(type)} of ${formatTime(time)}`;
  }

  #data(event: StoredEvent): string {
    return `  data      ${visibleJson(this.#masked(event).data)}`;
  }

  #masked(event: StoredEvent): StoredEvent {
    return this.#showArgs ? event : maskEvent(event);
  }
}

const defects: Readonly<Record<StreamDefect["kind"], string>> = {
  format: "it does not have the form of an event",
  hash: "it was changed",
  data: "its data were changed",
  stream: "the event there belongs to another task",
  sequence: "an event is missing, or was inserted",
  chain: "it does not follow the event before it",
  end: "the stream does not end where the log says",
  index: "the log's index lacks some of its events",
};

function list(effects: readonly string[]): string {
  return effects.length === 0 ? "no effects" : visible(effects.join(", "));
}

function table(rows: readonly (readonly string[])[]): string {
  return formatTable(rows, Number.POSITIVE_INFINITY, [10]);
}
