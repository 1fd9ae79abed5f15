/**
 * The whole terminal for as long as somebody watches: the alternate screen, so that what was there before comes
 * back, drawn over in place so that nothing flickers. Reference: xterm control sequences, private modes 25 and 1049.
 */
import { stripVTControlCharacters } from 'node:util'

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_TO_END_OF_LINE = '\u001b[K'
const RESET = '\u001b[0m'
const ESCAPE = 0x1b

export class Screen {
  readonly #stream: NodeJS.WriteStream

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    stream.write(ENTER)
  }

  get rows(): number {
    return this.#stream.rows || 24
  }

  get columns(): number {
    return this.#stream.columns || 80
  }

  draw(lines: readonly string[]): void {
    const { columns } = this
    const text = lines.slice(0, this.rows).map((line) => `${cropped(line, columns)}${CLEAR_TO_END_OF_LINE}`)
    this.#stream.write(`${HOME}${text.join('\r\n')}`)
  }

  leave(): void {
    this.#stream.write(LEAVE)
  }
}

/** The first `columns` visible characters; control sequences take no room. */
export function cropped(line: string, columns: number): string {
  if (stripVTControlCharacters(line).length <= columns) return line
  let visible = 0
  let at = 0
  while (at < line.length && visible < columns) {
    const sequence = line.charCodeAt(at) === ESCAPE ? (/^[^m]*m/.exec(line.slice(at))?.[0].length ?? 1) : 0
    if (sequence > 0) at += sequence
    else {
      at++
      visible++
    }
  }
  return `${line.slice(0, at)}${RESET}`
}
