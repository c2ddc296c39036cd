/** Which part of the page is shown: the part of the address behind `#` says so. */
import { useEffect, useState } from "preact/hooks";
import { Banners } from "./banners.tsx";
import { useLive } from "./live.ts";
import { NodePage } from "./nodePage.tsx";
import { TaskList } from "./taskList.tsx";
import { TaskPage } from "./taskPage.tsx";

export function App() {
  const live = useLive();
  const place = usePlace();
  const id = place.startsWith("#/task/") ? decodeURIComponent(place.slice(7)) : undefined;
  return (
    <>
      <header>
        <h1>exec2</h1>
        <nav aria-label="Parts of the page">
          <a href="#/" aria-current={place === "#/node" || id !== undefined ? undefined : "page"}>
            Tasks
          </a>
          <a href="#/node" aria-current={place === "#/node" ? "page" : undefined}>
            Node
          </a>
        </nav>
      </header>
      <Banners live={live} />
      <main>
        {id !== undefined ? (
          <TaskPage key={id} id={id} row={live.rows.find((row) => row.id === id)} />
        ) : place === "#/node" ? (
          <NodePage version={live.rows.length} />
        ) : (
          <TaskList live={live} />
        )}
      </main>
    </>
  );
}

function usePlace(): string {
  const [place, setPlace] = useState(location.hash || "#/");
  useEffect(() => {
    const follow = () => setPlace(location.hash || "#/");
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return place;
}
