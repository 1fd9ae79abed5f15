/**
 * TextEncoder and TextDecoder are in every JavaScript host but not in the ECMAScript library that the
 * pure rooms are compiled against; these are the parts that `bytes.ts` uses.
 */
declare class TextEncoder {
  encode(text: string): Uint8Array
}
declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean })
  decode(bytes: Uint8Array): string
}
