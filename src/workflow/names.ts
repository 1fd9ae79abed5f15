/** The form of names that programs register: handlers of Custom operations, and types of custom rules. */
import { HANDLER_NAME_BYTES_MAX } from './limits.js'

const NAME = /^[\x21-\x7e]+$/

export function isHandlerName(name: string): boolean {
  return name.length <= HANDLER_NAME_BYTES_MAX && NAME.test(name)
}
