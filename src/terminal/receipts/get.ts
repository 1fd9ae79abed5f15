/** `receipt get`: collects a receipt and hands it out as a file or on standard output. */
import { KnhkError } from '../../base/error.js'
import type { CallOptions } from '../../client/api.js'
import { collectReceipt, type ReceiptPlace } from '../../client/receipts.js'
import { formatDocument, type ReceiptDocument, receiptDocument } from '../../workflow/receipts/receipt-file.js'
import type { Connection } from '../connection.js'
import type { Output } from '../printer.js'
import { writeProof } from './proof-file.js'
import { trustIn } from './trust.js'

/** Reads INDEX or INDEX:POSITION. Throws `InvalidArgument`. */
export function parsePlace(text: string): ReceiptPlace {
  const parts = /^([1-9]\d{0,15})(?::(0|[1-9]\d{0,9}))?$/.exec(text)
  if (parts === null) {
    throw new KnhkError('InvalidArgument', `${JSON.stringify(text.slice(0, 80))} is no place in the log`, {
      hint: 'Give INDEX, or INDEX:POSITION as `propose` and `kv put` print them.',
    })
  }
  return { index: Number(parts[1]), position: Number(parts[2] ?? 0) }
}

export async function getReceipt(
  { client, target }: Connection,
  place: ReceiptPlace,
  call: CallOptions,
): Promise<ReceiptDocument> {
  return receiptDocument(await collectReceipt(client, trustIn(target.configuration), place, call))
}

export async function receiptOutput(document: ReceiptDocument, out: string | undefined): Promise<Output> {
  const text = formatDocument(document)
  if (out !== undefined) await writeProof(out, text)
  return {
    value: document,
    ids: [out ?? document.receipt],
    text: ({ fields }) =>
      out === undefined
        ? text
        : fields([
            ['written to', out],
            ['index', document.index],
            ['claims', document.claimsResult ? 'inclusion and result' : 'inclusion'],
            ['signed by', document.signers.join(', ')],
          ]),
  }
}
