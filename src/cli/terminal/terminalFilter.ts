/** Output of tasks on a terminal: text and colours, and nothing else that a terminal obeys. Pure. */

/**
 * The states of a terminal's parser (ECMA-48, console_codes(4)): plain text; after ESC; in a control sequence
 * (`ESC [`); in a string such as a window title (`ESC ]`, `ESC P`, `ESC X`, `ESC ^`, `ESC _`).
 */
type State = "text" | "escape" | "sequence" | "string";

const esc = "\x1b";
const reset = `${esc}[0m`;

/** Introducers of strings, after ESC and as single C1 characters. */
const stringIntroducers = "]PX^_";
const c1Strings = "\u0090\u0098\u009d\u009e\u009f";
const c1Sequence = "\u009b";

/** Characters that end a string or a sequence without an effect: CAN and SUB. */
const cancels = "\x18\x1a";
/** BEL, ST, and all that cancel a string. */
const stringEnds = `\x07\u009c\n${cancels}`;

/** Maximum length of a colour's sequence. The longest common one, a pair of 24-bit colours, has 36 characters. */
const maxSequence = 64;
/** Maximum number of sequences that are set again in the next line. */
const maxColours = 8;

/** Control characters, except tabs and line ends. */
const control = /(?![\t\n])\p{Cc}/u;

/** Characters that show the following text in another order, such as U+202E. */
const reordering = /[\u202a-\u202e\u2066-\u2069]/;
const replacement = "\ufffd";

/**
 * Filters a stream of arbitrary bytes for a terminal. Keeps text, line ends, tabs and colours. Drops all
 * other control characters and sequences: titles, the clipboard (OSC 52), reports that the terminal would
 * type as input, movements of the cursor. Characters that would show text in another order than it has are replaced. A
 * carriage return becomes a line end, because it would let a task
 * overwrite its name before the line. Colours end with their line, and are set again in the next one.
 */
export class TerminalFilter {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #state: State = "text";
  /** The control sequence so far, after its introducer; undefined if it is not a colour. */
  #sequence: string | undefined;
  /** Whether a carriage return waits for the character after it. */
  #returned = false;
  /** The sequences of the colours that the task has set. */
  #colours: readonly string[] = [];
  /** Whether these colours are set on the terminal. */
  #coloured = false;

  /** The filtered text, as far as it is known. */
  push(chunk: Uint8Array): Buffer {
    return this.#filtered(this.#decoder.decode(chunk, { stream: true }));
  }

  /** The rest of the text, when the stream has ended. */
  end(): Buffer {
    const rest = this.#filtered(this.#decoder.decode());
    return this.#coloured ? Buffer.concat([rest, Buffer.from(reset)]) : rest;
  }

  #filtered(text: string): Buffer {
    const isPlain = this.#state === "text" && !this.#returned && this.#colours.length === 0;
    if (isPlain && !control.test(text) && !reordering.test(text)) return Buffer.from(text);
    let shown = "";
    for (const character of text) shown += this.#next(character);
    return Buffer.from(shown);
  }

  #next(character: string): string {
    switch (this.#state) {
      case "text":
        return this.#text(character);
      case "escape":
        return this.#escape(character);
      case "sequence":
        return this.#inSequence(character);
      case "string":
        return this.#inString(character);
    }
  }

  #text(character: string): string {
    if (character === "\r") {
      this.#returned = true;
      return "";
    }
    const before = this.#returned && character !== "\n" ? this.#lineEnd() : "";
    this.#returned = false;
    if (character === "\n") return this.#lineEnd();
    return before + this.#inLine(character);
  }

  #inLine(character: string): string {
    if (character === esc) return this.#enter("escape");
    if (character === c1Sequence) return this.#enterSequence();
    if (c1Strings.includes(character)) return this.#enter("string");
    if (control.test(character)) return "";
    const colours = this.#coloured ? "" : this.#colours.join("");
    this.#coloured = this.#colours.length > 0;
    return colours + (reordering.test(character) ? replacement : character);
  }

  #lineEnd(): string {
    const end = this.#coloured ? `${reset}\n` : "\n";
    this.#coloured = false;
    return end;
  }

  #escape(character: string): string {
    if (character === "[") return this.#enterSequence();
    if (stringIntroducers.includes(character)) return this.#enter("string");
    if (character === esc || isIntermediate(character)) return "";
    this.#state = "text";
    // The final character of a short sequence. Any other character belongs to the text.
    return character >= "0" && character <= "~" ? "" : this.#text(character);
  }

  #inSequence(character: string): string {
    if (/\p{Cc}/u.test(character)) {
      // A terminal would obey most control characters even here.
      this.#state = "text";
      return cancels.includes(character) ? "" : this.#text(character);
    }
    if (character >= "@" && character <= "~") {
      this.#state = "text";
      return character === "m" && this.#sequence !== undefined ? this.#colour(this.#sequence) : "";
    }
    const isPart = /[\d;:]/.test(character) && (this.#sequence?.length ?? maxSequence) < maxSequence;
    this.#sequence = isPart ? `${this.#sequence}${character}` : undefined;
    if (character >= " " && character <= "~") return "";
    this.#state = "text";
    return this.#text(character);
  }

  /** A string has no line ends: an unfinished string must not hide the lines after it. */
  #inString(character: string): string {
    if (character === esc) return this.#enter("escape");
    if (stringEnds.includes(character)) this.#state = "text";
    return character === "\n" ? this.#text(character) : "";
  }

  #colour(parameters: string): string {
    const sequence = `${esc}[${parameters}m`;
    // `ESC [ m`, `ESC [ 0 m`, `ESC [ 0 ; … m`: all colours end, and others may begin.
    if (/^0*(?:;|$)/.test(parameters)) {
      const ended = this.#coloured ? reset : "";
      this.#coloured = false;
      this.#colours = /^[0;]*$/.test(parameters) ? [] : [sequence];
      return ended;
    }
    this.#colours = [...this.#colours, sequence].slice(-maxColours);
    return this.#coloured ? sequence : "";
  }

  #enterSequence(): string {
    this.#sequence = "";
    return this.#enter("sequence");
  }

  #enter(state: State): string {
    this.#state = state;
    return "";
  }
}

function isIntermediate(character: string): boolean {
  return character >= " " && character <= "/";
}
