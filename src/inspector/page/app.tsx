/** The page's parts, chosen by the fragment of its address (after `#`). */
import { useEffect, useState } from "preact/hooks";
import { Banners } from "./banners.tsx";
import { useLive } from "./live.ts";
import { NodePage } from "./node/nodePage.tsx";
import { initialListView, TaskList } from "./node/taskList.tsx";
import { TaskPage } from "./task/taskPage.tsx";

export function App() {
  const live = useLive();
  const place = usePlace();
  // Kept here, so that the list looks the same after a visit to a task.
  const [listView, setListView] = useState(initialListView);
  const id = place.startsWith("#/task/") ? decodeURIComponent(place.slice(7)) : undefined;
  const isNode = place === "#/node";
  const row = live.rows.find((each) => each.id === id);
  const title = isNode ? "Node" : (row?.task ?? "Tasks");
  useEffect(() => {
    document.title = `${title} · exec2`;
  }, [title]);
  return (
    <>
      <header>
        <a class="brand" href="#/">
          <img src="/icon.svg" alt="" width="20" height="20" />
          exec2
        </a>
        <nav aria-label="Parts of the page">
          <a href="#/" aria-current={isNode ? undefined : id === undefined ? "page" : "true"}>
            Tasks
          </a>
          <a href="#/node" aria-current={isNode ? "page" : undefined}>
            Node
          </a>
        </nav>
        <span class={`link ${live.link}`}>
          {live.link !== "on" ? "not connected" : live.status?.bundle ? "recorded" : "live"}
        </span>
      </header>
      <main>
        {id !== undefined ? (
          <TaskPage key={id} id={id} row={row} ready={live.status?.ready === true} />
        ) : isNode ? (
          <NodePage version={live.version} />
        ) : (
          <TaskList live={live} view={listView} setView={setListView} />
        )}
      </main>
      <Banners live={live} />
    </>
  );
}

function usePlace(): string {
  const [place, setPlace] = useState(location.hash || "#/");
  useEffect(() => {
    const follow = () => {
      setPlace(location.hash || "#/");
      scrollTo(0, 0);
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return place;
}
