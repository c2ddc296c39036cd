/** Shows problems of the page's data, with advice. Overlays the end of the page, so that nothing moves. */
import type { Live } from "./live.ts";

const advice = {
  missing: (
    <>
      Run a job first, or name the driver's state_dir with <code>--state-dir</code>.
    </>
  ),
  unreadable: "The plugin repairs its log when it starts; this page then shows it.",
  damaged: "Tasks with damaged events are shown without them.",
  newer: "Some events are from a newer driver: use the inspector of that version.",
  pluginGone: "",
} as const;

const links = {
  off: ["The inspector does not answer.", "The page shows old data and reconnects automatically."],
  refused: [
    "The inspector refused this page.",
    "If it was restarted, open the new address that it printed. It serves at most sixteen pages.",
  ],
} as const;

export function Banners({ live: { status, link } }: { readonly live: Live }) {
  return (
    <div class="banners" role="status">
      {link === "on" ? null : (
        <p>
          <b>{links[link][0]}</b> {links[link][1]}
        </p>
      )}
      {status?.problems.map(({ kind, text }) => (
        <p key={text}>
          {text} {advice[kind]}
        </p>
      ))}
    </div>
  );
}
