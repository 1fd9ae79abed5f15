/**
 * `host:port` addresses: a name, an IPv4 address, or an IPv6 address in brackets (RFC 3986, 3.2.2).
 */
import { KnhkError } from '../base/error.js'

export interface HostPort {
  readonly host: string
  readonly port: number
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})$/

/** Throws `InvalidArgument` that says what is wrong with `text`. */
export function parseAddress(text: string): HostPort {
  const match = ADDRESS.exec(text)
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) {
    throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is not an address of the form host:port`)
  }
  return { host: (match[1] ?? match[2]) as string, port }
}
