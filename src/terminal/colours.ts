/**
 * Colours, decided per stream: only on a terminal, and only when neither NO_COLOR, TERM=dumb nor
 * --no-color forbids it (https://no-color.org).
 */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'plain'
export type Paint = (style: Style, text: string) => string

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  plain: [39, 39],
}

export interface ColourContext {
  readonly isTTY: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly forbidden: boolean
}

export function wantsColour({ isTTY, environment, forbidden }: ColourContext): boolean {
  const noColour = environment.NO_COLOR
  return isTTY && !forbidden && (noColour === undefined || noColour === '') && environment.TERM !== 'dumb'
}

export function painter(enabled: boolean): Paint {
  if (!enabled) return (_style, text) => text
  return (style, text) => `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m`
}
