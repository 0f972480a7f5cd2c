import type { Agenda } from "./agenda.ts";

/** What happened, in order: printed where a seed fails. */
export class Story {
  readonly lines: string[] = [];
  readonly #agenda: Agenda;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  tell(actor: string, what: string): void {
    this.lines.push(`${this.#agenda.seconds.toFixed(3).padStart(9)}s  ${actor.padEnd(22)} ${what}`);
  }
}
