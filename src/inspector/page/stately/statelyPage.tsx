/** Opens Stately's inspector for a task or an allocation: what it is told, and how it stands with its window. */
import { useEffect, useRef, useState } from "preact/hooks";
import { allocationOf, shortId, taskName } from "../../../base/taskId.ts";
import type { StatelyMessage } from "../../stately/messages.ts";
import { addressOf, linkTo } from "../address.ts";
import { readStream } from "../api.ts";
import { Tool } from "../buttons.tsx";
import { Empty } from "../empty.tsx";
import { Feed } from "./feed.ts";
import { StatelyWindow, site, type WindowState } from "./statelyWindow.ts";

/** After this time without an answer, the page says so. In ms. */
const patienceMs = 10_000;

export function StatelyPage() {
  const { path } = addressOf(location.hash);
  const [kind, subject = ""] = path;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  if ((kind !== "task" && kind !== "allocation") || subject === "") return <Empty title="No task is named" />;
  const name = kind === "task" ? taskName(subject) : "all tasks of the allocation";
  return (
    <>
      <header>
        <a class="brand" href="/">
          <img src="/icon.svg" alt="" width="20" height="20" />
          exec2
        </a>
      </header>
      <main>
        <div class="title">
          <h1 ref={heading} tabIndex={-1}>
            Stately’s inspector: {name}
            <code>{shortId(allocationOf(subject))}</code>
          </h1>
          <a href={`/${linkTo(path)}`}>Back to its page</a>
        </div>
        <section class="card" aria-label="Connection">
          <p>
            Stately’s inspector is a page of <b>{site}</b>, which opens in a window of its own. It draws the
            state machine, highlights the present state and lists the events.
          </p>
          <p>
            Once it has answered, this page sends it the state machine, and of {name}: the name, the events
            with their data, and the states. Arguments are masked, as in bundles; no event has values of the
            environment. Before, nothing is sent. What {site} does with it, this page cannot know.
          </p>
          <Connection of={subject} />
        </section>
      </main>
    </>
  );
}

function Connection({ of }: { readonly of: string }) {
  const [state, setState] = useState<WindowState | "none">("none");
  const [isLate, setLate] = useState(false);
  const [feed, setFeed] = useState<Feed>();
  const [, setCount] = useState(0);
  const ends = useRef<(() => void)[]>([]);
  const end = () => {
    for (const each of ends.current.splice(0)) each();
  };
  useEffect(() => end, []);
  useEffect(() => {
    setLate(false);
    if (state !== "opened") return;
    const timer = setTimeout(() => setLate(true), patienceMs);
    return () => clearTimeout(timer);
  }, [state]);

  const open = (isReplay: boolean) => {
    end();
    let closeStream = () => {};
    const opened = new StatelyWindow({
      onState: setState,
      onConnected: () => {
        closeStream();
        const next = new Feed(
          isReplay,
          (message) => opened.post(message),
          () => setCount((count) => count + 1),
        );
        setFeed(next);
        closeStream = readStream<StatelyMessage>(
          `/api/stately?of=${encodeURIComponent(of)}${isReplay ? "&history" : ""}`,
          { onMessage: (message) => next.take(message), onEnd: () => next.end() },
        );
      },
    });
    ends.current = [() => opened.leave(), () => closeStream()];
    setFeed(undefined);
  };

  return (
    <>
      <div class="tools">
        <Tool title="Its present state, then each event as it happens" act={() => open(false)}>
          Open, live
        </Tool>
        <Tool title="Its recorded events, one at a time" act={() => open(true)}>
          Open, to replay
        </Tool>
        {feed?.isReplay === true && state === "connected" ? <Stepping feed={feed} /> : null}
      </div>
      <p role="status">{statusText(state, isLate, feed)}</p>
    </>
  );
}

function Stepping({ feed }: { readonly feed: Feed }) {
  const isOff = feed.waiting === 0;
  return (
    <>
      <Tool title="Sends the next event" isOff={isOff} act={() => feed.sendNext()}>
        Next event
      </Tool>
      <Tool title="Sends all events" isOff={isOff} act={() => feed.sendAll()}>
        All
      </Tool>
    </>
  );
}

function statusText(state: WindowState | "none", isLate: boolean, feed: Feed | undefined): string {
  if (state === "none") return "";
  if (state === "blocked")
    return "The browser opened no window: allow this page to open one, then try again.";
  if (state === "closed") return "The window was closed.";
  if (state === "opened") {
    return isLate
      ? `${site} has not answered. Without a connection to it, its inspector cannot be shown.`
      : `Waiting for ${site} to answer…`;
  }
  const { sent = 0, waiting = 0, hasEnded = false } = feed ?? {};
  const parts = [
    `Connected to ${site}.`,
    `Events sent: ${sent}${feed?.isReplay === true ? `, not yet sent: ${waiting}` : ""}.`,
    ...(hasEnded ? ["exec2’s own inspector no longer answers: nothing more is sent."] : []),
  ];
  return parts.join(" ");
}
