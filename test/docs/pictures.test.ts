import { expect, test } from "vitest";
import { terminalPicture } from "../../scripts/pictures/terminal.ts";

const ESC = String.fromCharCode(27);

/** Text in a picture with its place in letters and how it looks, as `0 #7ee787 bold: Promoted`. */
function seen(svg: string): string[] {
  const runs = svg.matchAll(
    /<text x="([\d.]+)" y="\d+" textLength="[\d.]+" fill="(#\w+)"( font-weight="bold")?>([^<]*)</g,
  );
  return [...runs].map(
    ([, x, color, bold, text]) => `${Math.round((Number(x) - 18) / 7.8)} ${color}${bold ? " bold" : ""}: ${text}`,
  );
}

test("terminalPicture() keeps colours, bold letters and columns", () => {
  const lines = [`${ESC}[1mNAME     ROLE${ESC}[0m`, `a < b    ${ESC}[32mstable${ESC}[0m, ready`, "", "└─ pod"];
  expect(seen(terminalPicture("kubectl zenith get", lines))).toEqual([
    "0 #d6deeb bold: NAME",
    "9 #d6deeb bold: ROLE",
    "0 #d6deeb: a &lt; b",
    "9 #7ee787: stable",
    "15 #d6deeb: , ready",
    "0 #d6deeb: └─ pod",
  ]);
});
