/** Long lines for people, broken between words where the terminal ends: one that breaks inside a word is hard to read. */

/** Where the lines of a stream end; nowhere in a pipe. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY === true ? stream.columns : Number.POSITIVE_INFINITY
}

/** `indent` stands before every line, the first as well. A word that is wider than the terminal stays whole. */
export function folded(text: string, columns: number, indent = ''): string {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(' ')) {
    const isFirst = line === indent
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = indent + word
    } else line += isFirst ? word : ` ${word}`
  }
  return [...lines, line].join('\n')
}
