/** The controller behind a command's signal: every call that is under way listens to it. */
import { setMaxListeners } from 'node:events'

/** Calls of one command under way at once, `propose` and its pipeline included; more only warn. */
const LISTENERS_MAX = 128

export function cancellation(): AbortController {
  const controller = new AbortController()
  setMaxListeners(LISTENERS_MAX, controller.signal)
  return controller
}
