/** Which objects lead to which others: keys that must look again when what they named changes. */
export class Links {
  readonly #names = new Map<string, readonly string[]>();
  readonly #users = new Map<string, Set<string>>();

  /** What `key` rests on from now on, instead of what it rested on before. */
  note(key: string, names: readonly string[]): void {
    this.forget(key);
    if (names.length === 0) return;
    this.#names.set(key, names);
    for (const name of names) this.#users.set(name, (this.#users.get(name) ?? new Set()).add(key));
  }

  forget(key: string): void {
    for (const name of this.#names.get(key) ?? []) {
      const users = this.#users.get(name);
      users?.delete(key);
      if (users?.size === 0) this.#users.delete(name);
    }
    this.#names.delete(key);
  }

  /** Who rests on `name`. */
  of(name: string): readonly string[] {
    return [...(this.#users.get(name) ?? [])];
  }
}
