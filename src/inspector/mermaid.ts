/** A task's history as a Mermaid sequence diagram. Pure. */
import type { Moment } from "../replay/history.ts";
import type { Phrase } from "./story.ts";

/** States are participants' notes, events arrows: what the agent asked for comes from its side. */
export function mermaidOf(moments: Iterable<Moment>, phrase: (moment: Moment) => Phrase): string {
  const lines = [
    "sequenceDiagram",
    "  participant A as Nomad agent",
    "  participant D as driver",
    "  participant T as task",
  ];
  for (const moment of moments) {
    const { stored, before, after } = moment;
    lines.push(`  ${arrowOf(stored.type)}: ${escaped(`${stored.type}: ${phrase(moment).text}`)}`);
    if (before.value !== after.value) lines.push(`  Note over D: ${after.value}`);
  }
  return `${lines.join("\n")}\n`;
}

function arrowOf(type: string): string {
  if (asked.has(type)) return "A->>D";
  if (fromTask.has(type)) return "T-->>D";
  return done.has(type) ? "D->>T" : "D->>D";
}

const asked: ReadonlySet<string> = new Set(["requested", "stopRequested", "destroyRequested", "destroyed"]);
const fromTask: ReadonlySet<string> = new Set(["exited", "oomSeen", "execExited"]);
const done: ReadonlySet<string> = new Set(["started", "signalled", "forceKilled", "execStarted"]);

/** What ends a statement, or begins an entity, in Mermaid. */
function escaped(text: string): string {
  return text
    .replaceAll("#", "#35;")
    .replaceAll(";", "#59;")
    .replaceAll(/[\r\n]+/g, " ");
}
