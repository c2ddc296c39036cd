/** Takes a bundle that is dropped anywhere onto the page. */
import { useEffect, useState } from "preact/hooks";
import { openBundle } from "./openBundle.ts";

export function DropZone() {
  const [isOver, setOver] = useState(false);
  const [notice, setNotice] = useState("");
  useEffect(() => {
    const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const onOver = (event: DragEvent) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const onDrop = (event: DragEvent) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (file === undefined) return;
      setNotice(`Reading ${file.name}…`);
      void openBundle(file).then(setNotice);
    };
    addEventListener("dragover", onOver);
    addEventListener("dragleave", onLeave);
    addEventListener("drop", onDrop);
    return () => {
      removeEventListener("dragover", onOver);
      removeEventListener("dragleave", onLeave);
      removeEventListener("drop", onDrop);
    };
  }, []);
  return (
    <div class="drop-notice" role="status">
      {isOver ? (
        <div class="drop-here">Drop a bundle to look at it. It stays in the inspector's memory.</div>
      ) : null}
      {notice === "" ? null : (
        <p>
          {notice}{" "}
          <button type="button" class="as-link" onClick={() => setNotice("")}>
            close
          </button>
        </p>
      )}
    </div>
  );
}
