/**
 * Splits a REPL line into words the way a shell would: blanks, 'single' and "double" quotes, a
 * backslash before a character, `#` comments. One thing more: a word that opens a brace or bracket
 * runs to its closing one, JSON strings included, so JSON needs no quotes.
 */
export type SplitLine =
  | { readonly complete: true; readonly words: readonly string[] }
  /** What is still open at the end: the next line continues. */
  | { readonly complete: false; readonly open: 'quote' | 'brace' | 'backslash' }

export function splitLine(text: string): SplitLine {
  return new Splitter(text).split()
}

class Splitter {
  readonly #text: string
  readonly #words: string[] = []
  #at = 0
  /** The word under way; null between words (an empty quoted word is '', not null). */
  #word: string | null = null

  constructor(text: string) {
    this.#text = text
  }

  split(): SplitLine {
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at] as string
      if (/\s/.test(character)) this.#endWord()
      else if (character === '#' && this.#word === null) this.#skipComment()
      else if (character === '\\') {
        if (!this.#escape()) return { complete: false, open: 'backslash' }
      } else if (character === "'" || character === '"') {
        if (!this.#quoted(character)) return { complete: false, open: 'quote' }
      } else if ((character === '{' || character === '[') && this.#opensJson()) {
        if (!this.#json()) return { complete: false, open: 'brace' }
      } else this.#append(character)
      this.#at++
    }
    this.#endWord()
    return { complete: true, words: this.#words }
  }

  #append(text: string): void {
    this.#word = (this.#word ?? '') + text
  }

  #endWord(): void {
    if (this.#word !== null) this.#words.push(this.#word)
    this.#word = null
  }

  #skipComment(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end === -1 ? this.#text.length : end
  }

  /** A backslash before a line feed joins the lines, as in a shell. */
  #escape(): boolean {
    const next = this.#text[this.#at + 1]
    if (next === undefined) return false
    this.#at++
    if (next !== '\n') this.#append(next)
    return true
  }

  #quoted(quote: string): boolean {
    this.#append('')
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at] as string
      if (character === quote) return true
      const next = this.#text[this.#at + 1]
      if (quote === '"' && character === '\\' && (next === '"' || next === '\\')) {
        this.#append(next)
        this.#at++
      } else this.#append(character)
    }
    return false
  }

  /** At the start of a word or behind the `=` of a flag. */
  #opensJson(): boolean {
    return this.#word === null || /^--[a-z-]+=$/.test(this.#word)
  }

  #json(): boolean {
    let depth = 0
    let inString = false
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at] as string
      this.#append(character)
      if (inString) {
        if (character === '\\') this.#append(this.#text[++this.#at] ?? '')
        else if (character === '"') inString = false
      } else if (character === '"') inString = true
      else if (character === '{' || character === '[') depth++
      else if ((character === '}' || character === ']') && --depth === 0) return true
    }
    return false
  }
}
