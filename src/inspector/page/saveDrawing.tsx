/** Saves drawings of the page, and other files, to the browser's downloads. */
import { useState } from "preact/hooks";

interface Properties {
  /** The drawing's subject in a word or two, for the buttons' names. */
  readonly what: string;
  /** The file's name without its extension. */
  readonly name: string;
  readonly drawing: () => SVGSVGElement | null | undefined;
}

/** Buttons that save a drawing as a file. */
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
          onClick={() => void save(kind).catch(() => setNotice("The browser cannot draw the picture"))}
        >
          {kind.toUpperCase()}
        </button>
      ))}
      <span role="status">{notice}</span>
    </span>
  );
}

/**
 * Properties that the style sheet sets on SVG elements. In a file they become attributes, because the
 * file has no style sheet.
 */
const painted = [
  ...["fill", "fill-opacity", "opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap"],
  ...["stroke-linejoin", "paint-order", "font-family", "font-size", "font-weight", "font-style"],
  ...["text-anchor", "dominant-baseline", "visibility", "display"],
];
/** Space around the drawing, in its own units. */
const margin = 12;
/** Pixels for each unit, so that the picture is sharp on screens of double density and in print. */
const scale = 2;

interface Picture {
  readonly text: string;
  readonly width: number;
  readonly height: number;
}

/** Converts a drawing to an SVG file. The file has the colours of the page, and loads nothing. */
function pictureOf(drawing: SVGSVGElement): Picture {
  const copy = copyOf(drawing) as SVGSVGElement;
  const { x, y, width, height } = drawing.viewBox.baseVal;
  const box = [x - margin, y - margin, width + 2 * margin, height + 2 * margin] as const;
  copy.setAttribute("viewBox", box.join(" "));
  copy.setAttribute("width", String(box[2]));
  copy.setAttribute("height", String(box[3]));
  const back = document.createElementNS(drawing.namespaceURI, "rect");
  for (const [index, name] of ["x", "y", "width", "height"].entries()) {
    back.setAttribute(name, String(box[index]));
  }
  back.setAttribute("fill", backgroundOf(drawing));
  copy.prepend(back);
  return { text: new XMLSerializer().serializeToString(copy), width: box[2], height: box[3] };
}

async function pngOf({ text, width, height }: Picture): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob === null ? reject(new Error("no picture")) : resolve(blob)), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Copies an element. Links become groups, because they would lead nowhere in a file. */
function copyOf(element: Element): Element {
  const name = element.localName === "a" ? "g" : element.localName;
  const copy = document.createElementNS(element.namespaceURI, name);
  const kept = ["class", "href", "role", "tabindex", "style"];
  for (const { name: attribute, value } of element.attributes) {
    if (!kept.includes(attribute)) copy.setAttribute(attribute, value);
  }
  const style = getComputedStyle(element);
  for (const property of painted) {
    const value = style.getPropertyValue(property);
    if (value !== "") copy.setAttribute(property, value);
  }
  for (const child of element.childNodes) {
    copy.append(child instanceof Element ? copyOf(child) : child.cloneNode());
  }
  return copy;
}

function backgroundOf(drawing: Element): string {
  const card = drawing.closest(".card");
  return card === null ? "white" : getComputedStyle(card).backgroundColor;
}

export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
