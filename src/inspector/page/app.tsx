/** The whole page: its header, the part that its address names, and banners. */
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { formatZone } from "../../units/times.ts";
import { visible } from "../../units/visible.ts";
import { linkTo } from "./address.ts";
import { BundlePage } from "./bundle/bundlePage.tsx";
import { DropZone } from "./bundle/openBundle.tsx";
import { useSource } from "./bundle/source.ts";
import { ComparePage } from "./compare/comparePage.tsx";
import { Empty } from "./empty.tsx";
import { FleetPage } from "./fleetPage.tsx";
import { AllocationPage } from "./lanes/allocationPage.tsx";
import { EventsPage } from "./list/eventsPage.tsx";
import { Failures } from "./list/failures.tsx";
import { useNotifications } from "./list/notifications.ts";
import { TaskList } from "./list/taskList.tsx";
import { type Live, type PartProperties, useLive } from "./live.ts";
import { linkBack, useAddress } from "./navigation.ts";
import { NodePage } from "./nodePage.tsx";
import { TaskPage } from "./task/taskPage.tsx";

interface Part {
  /** The part's name in the browser's title. The page of a task has the task's name instead. */
  readonly title: string;
  /** Whether the header links to the part. */
  readonly inHeader: boolean;
  readonly show: ComponentType<PartProperties>;
}

/** The parts by the first word of their address. */
const parts: Readonly<Record<string, Part>> = {
  "": { title: "Tasks", inHeader: true, show: TaskList },
  failures: { title: "Failures", inHeader: true, show: Failures },
  events: { title: "Events", inHeader: true, show: EventsPage },
  node: { title: "Node", inHeader: true, show: NodePage },
  fleet: { title: "Fleet", inHeader: true, show: FleetPage },
  compare: { title: "Compare", inHeader: true, show: ComparePage },
  bundle: { title: "Bundle", inHeader: true, show: BundlePage },
  allocation: { title: "Allocation", inHeader: false, show: AllocationPage },
  task: { title: "Task", inHeader: false, show: TaskPage },
};

export function App() {
  const own = useLive();
  const live = useSource(own);
  useNotifications(own.rows, own.status?.ready === true && own.isComplete);
  const { path, choices } = useAddress();
  const [name = "", subject = ""] = path;
  const part = Object.hasOwn(parts, name) ? parts[name] : undefined;
  const row = live.rows.find(({ id }) => id === subject);
  const title = row?.task ?? part?.title ?? "Tasks";
  useEffect(() => {
    document.title = visible(`${title} · exec2`);
  }, [title]);
  return (
    <>
      <Header part={name} live={own} />
      <DropZone />
      {choices.in === undefined ? null : <ForeignNote of={choices.in} />}
      <main>
        {part === undefined ? (
          <NoPart />
        ) : (
          <part.show key={`${path.join("/")} ${choices.in}`} live={live} subject={subject} />
        )}
      </main>
      <Banners live={own} />
    </>
  );
}

interface HeaderProperties {
  /** The name of the shown part. */
  readonly part: string;
  readonly live: Live;
}

function Header({ part, live: { link, status } }: HeaderProperties) {
  return (
    <header>
      <a class="brand" href="#/">
        <img src="/icon.svg" alt="" width="20" height="20" />
        exec2
      </a>
      <nav aria-label="Parts of the page">
        {Object.entries(parts)
          .filter(([name, { inHeader }]) => inHeader && (name !== "fleet" || status?.fleet))
          .map(([name, { title }]) => (
            <a
              key={name}
              href={name === part ? `#/${name}` : linkBack(name === "" ? [] : [name])}
              aria-current={name === part ? "page" : undefined}
            >
              {title}
            </a>
          ))}
      </nav>
      <span class="zone" title="The zone of all times on this page, from the browser">
        {formatZone(Date.now())}
      </span>
      <span class={`link ${link}`}>
        {link !== "on" ? "not connected" : status?.bundle ? "recorded" : "live"}
      </span>
    </header>
  );
}

/** A note that the shown tasks are not of this host. */
function ForeignNote({ of: key }: { readonly of: string }) {
  return (
    <aside class="foreign-note" aria-label="Source">
      From a bundle that was dropped here: histories of another host.{" "}
      <a href={linkTo(["bundle", key])}>The bundle</a>
    </aside>
  );
}

function NoPart() {
  return (
    <Empty title="There is no such page">
      <p>
        <a href="#/">All tasks</a>
      </p>
    </Empty>
  );
}

/** What a person can do about each kind of problem. */
const advice = {
  missing: (
    <>
      Run a job first, or name the driver's state_dir with <code>--state-dir</code>.
    </>
  ),
  unreadable: "The plugin repairs its log when it starts. Then this page shows the log.",
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

/** Problems of the page's data, with advice. They are at the bottom, so that the content does not move. */
function Banners({ live: { status, link } }: { readonly live: Live }) {
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
