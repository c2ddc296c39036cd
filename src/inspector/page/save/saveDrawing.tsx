/** Buttons that save a drawing as a file. */
import { useState } from "preact/hooks";
import { pictureOf, pngOf } from "./picture.ts";
import { saveBlob } from "./saveFile.ts";

interface Properties {
  /** The drawing's subject in a word or two, for the buttons' names. */
  readonly what: string;
  /** The file's name without its ending. */
  readonly name: string;
  readonly drawing: () => SVGSVGElement | null | undefined;
}

export function SaveDrawing({ what, name, drawing }: Properties) {
  const [notice, setNotice] = useState("");
  const save = async (kind: "svg" | "png") => {
    const shown = drawing();
    if (!shown) return;
    const picture = pictureOf(shown);
    const blob = kind === "png" ? await pngOf(picture) : new Blob([picture.text], { type: "image/svg+xml" });
    saveBlob(blob, `${name}.${kind}`);
    setNotice("saved");
  };
  return (
    <span class="save">
      {(["svg", "png"] as const).map((kind) => (
        <button
          key={kind}
          type="button"
          aria-label={`Save ${what} as ${kind.toUpperCase()}`}
          title={`Save ${what} as ${kind.toUpperCase()}`}
          onClick={() => void save(kind).catch(() => setNotice("The browser cannot draw it"))}
        >
          {kind.toUpperCase()}
        </button>
      ))}
      <span role="status">{notice}</span>
    </span>
  );
}
