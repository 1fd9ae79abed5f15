/**
 * Splits `host:port`; an IPv6 address stands in brackets (RFC 3986, 3.2.2). Port 0 is allowed: it
 * asks for a free one when listening.
 */
import { KnhkError } from '../base/error.js'

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})$/

/** Throws `InvalidArgument`. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const match = ADDRESS.exec(address)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new KnhkError('InvalidArgument', `${JSON.stringify(address)} is not an address of the form host:port`)
  }
  return { host: (match[1] ?? match[2]) as string, port }
}
