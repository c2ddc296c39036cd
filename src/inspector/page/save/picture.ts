/** Converts a drawing of the page to a file. The file has the colours of the page, and loads nothing. */

/**
 * Properties that the style sheet sets on SVG elements. In a file they become attributes, because it has no
 * style sheet.
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

/** The drawing as text of an SVG file. */
export function pictureOf(drawing: SVGSVGElement): Picture {
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

export async function pngOf({ text, width, height }: Picture): Promise<Blob> {
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
