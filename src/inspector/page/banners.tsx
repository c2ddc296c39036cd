/** What is wrong with what the page shows, and what to do. */
import type { Live } from "./live.ts";

const advice = {
  missing: "Run a job first, or name the driver's state_dir with --state-dir.",
  unreadable: "The plugin repairs its log when it starts; this page looks again by itself.",
  newer: "Some events are of a newer driver: run the inspector of that version.",
  pluginGone: "",
} as const;

export function Banners({ live: { status, connected } }: { readonly live: Live }) {
  return (
    <div role="status">
      {connected ? null : (
        <p class="banner">The inspector does not answer: what is shown is old. It is tried again.</p>
      )}
      {status?.problems.map(({ kind, text }) => (
        <p class="banner" key={text}>
          {text} {advice[kind]}
        </p>
      ))}
    </div>
  );
}
