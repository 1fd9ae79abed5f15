/** Files with proofs: written once, never over another one; read within a bound. */
import { open, stat, writeFile } from 'node:fs/promises'
import { KnhkError } from '../../base/error.js'
import { errnoOf, fileError } from '../../cluster/files.js'
import { PROOF_FILE_BYTES_MAX } from '../../workflow/receipts/receipt-file.js'

/** Throws `Refused` where the file exists, `NotFound`, `InvalidFile`. */
export async function writeProof(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flag: 'wx' }).catch((cause: unknown) => {
    if (errnoOf(cause) !== 'EEXIST') throw fileError(file, 'written', cause)
    throw new KnhkError('Refused', `${file} exists already and is never overwritten`, { details: { file } })
  })
}

/** The text of a file; null for one that cannot be a proof: too large, or no text. Throws `NotFound`, `InvalidFile`. */
export async function readProof(file: string): Promise<string | null> {
  try {
    // A pipe or a device has no size: only what is read counts.
    if ((await stat(file)).size > PROOF_FILE_BYTES_MAX) return null
    const handle = await open(file, 'r')
    try {
      const buffer = Buffer.alloc(PROOF_FILE_BYTES_MAX + 1)
      let length = 0
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
        if (bytesRead === 0) break
        length += bytesRead
        if (length > PROOF_FILE_BYTES_MAX) return null
      }
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.subarray(0, length))
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof TypeError) return null
    throw fileError(file, 'read', cause)
  }
}
