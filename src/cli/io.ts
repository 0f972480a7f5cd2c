/** The terminal, or what stands in for it. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether a person reads what `out` is given. */
  readonly isTerminal: boolean;
  /** Width of the terminal in letters. */
  readonly columns: () => number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readInput: () => Promise<string>;
  /** A file, or every YAML and JSON file of a folder and of those below, by path.
   * @throws Error where there is none */
  readonly readFiles: (path: string) => ReadonlyMap<string, string>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

export type Paint = (text: string) => string;

/** How text looks: colours for a terminal that wants them, lines and marks that its letters can draw. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly blue: Paint;
  readonly marks: Marks;
}

export interface Marks {
  readonly branch: string;
  readonly lastBranch: string;
  readonly trunk: string;
  readonly good: string;
  readonly bad: string;
  readonly waiting: string;
  readonly here: string;
  readonly arrow: string;
  readonly full: string;
  readonly empty: string;
}

const UNICODE: Marks = {
  branch: "├─ ",
  lastBranch: "└─ ",
  trunk: "│  ",
  good: "✔",
  bad: "✖",
  waiting: "◌",
  here: "●",
  arrow: "→",
  full: "█",
  empty: "░",
};

const ASCII: Marks = {
  branch: "|- ",
  lastBranch: "`- ",
  trunk: "|  ",
  good: "+",
  bad: "x",
  waiting: ".",
  here: "*",
  arrow: "->",
  full: "#",
  empty: "-",
};

const plain: Paint = (text) => text;
const ansi =
  (code: number): Paint =>
  (text) =>
    text === "" ? "" : `\u001b[${code}m${text}\u001b[0m`;

/** Colour only where a terminal reads along, and nobody said `--no-color` or NO_COLOR; lines of letters that are not ASCII
 * only where the locale has them. */
export function styleFor({ isTerminal, environment }: Pick<Io, "isTerminal" | "environment">, color: boolean): Style {
  const { NO_COLOR = "", TERM } = environment;
  const colored = color && isTerminal && NO_COLOR === "" && TERM !== "dumb";
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || "";
  const paint = (code: number): Paint => (colored ? ansi(code) : plain);
  return {
    bold: paint(1),
    dim: paint(2),
    red: paint(31),
    green: paint(32),
    yellow: paint(33),
    blue: paint(36),
    marks: /utf-?8/i.test(locale) ? UNICODE : ASCII,
  };
}

/** Those that `styleFor` paints with, and no others: what hides text say is not ours. */
const COLOUR = `${String.fromCharCode(27)}\\[(?:0|1|2|31|32|33|36)m`;
const ESCAPES = new RegExp(COLOUR, "g");
const CONTROLS = new RegExp(`${COLOUR}|(?![\\n\\t])\\p{Cc}`, "gu");

/** What others wrote, a reason or a message, must not steer the terminal of who reads it: what is no letter is told as JSON
 * has it. Colours stay, as they are ours. */
export function harmless(text: string): string {
  const told = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replace(CONTROLS, (found) => (found.length > 1 ? found : told(found)));
}

/** Letters that a text takes on the screen. */
export function widthOf(text: string): number {
  return [...text.replace(ESCAPES, "")].length;
}

export function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** The first letters of a text, as many as fit; its colours are kept. */
export function cutTo(text: string, width: number): string {
  let room = width;
  const cut = (part: string): string => {
    const letters = [...part].slice(0, room);
    room -= letters.length;
    return letters.join("");
  };
  const escapes = text.match(ESCAPES) ?? [];
  return text.split(ESCAPES).reduce((said, part, i) => said + (escapes[i - 1] ?? "") + cut(part), "");
}
