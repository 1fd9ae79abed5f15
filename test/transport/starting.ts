/** Transports that are closed when the test that opened them ends. */
import { afterEach } from 'vitest'
import type { Transport } from '../../src/transport/transport.js'
import { open } from './harness.js'

/** To be called once in a test file; what it returns opens the transport of a member, as `open` does. */
export function starting(): typeof open {
  const opened: Transport[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((transport) => transport.close()))
  })
  return async (...args) => {
    const transport = await open(...args)
    opened.push(transport)
    return transport
  }
}
