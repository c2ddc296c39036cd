/** The two ways to open a bundle: drop its file anywhere onto the page, or choose the file. */

import { useEffect, useState } from "preact/hooks";
import { ask } from "../api.ts";
import { LinkButton } from "../buttons.tsx";
import { goTo } from "../navigation.ts";

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
          {notice} <LinkButton act={() => setNotice("")}>close</LinkButton>
        </p>
      )}
    </div>
  );
}

/** Opens a chosen file. */
export function OpenCard() {
  const [notice, setNotice] = useState("");
  return (
    <section class="card" aria-label="Open a bundle">
      <h2>Open a bundle</h2>
      <p class="faint">Choose a file, or drop one anywhere onto the page. Nothing of it is stored.</p>
      <input
        type="file"
        accept=".jsonl"
        aria-label="Bundle"
        onChange={({ currentTarget: { files } }) => {
          const file = files?.[0];
          if (file === undefined) return;
          setNotice("Reading the bundle…");
          void openBundle(file).then(setNotice);
        }}
      />
      <p role="status" class="bad">
        {notice}
      </p>
    </section>
  );
}

/**
 * Uploads a bundle to the inspector, and goes to its page.
 * @returns what went wrong, in words; empty if the page shows the bundle
 */
async function openBundle(file: File): Promise<string> {
  try {
    const response = await ask(`/api/bundles?name=${encodeURIComponent(file.name)}`, {
      method: "POST",
      body: file,
    });
    if (!response.ok) return await response.text();
    const { key } = (await response.json()) as { readonly key: string };
    goTo(["bundle", key], {});
    return "";
  } catch {
    return `${file.name} could not be sent to the inspector.`;
  }
}
