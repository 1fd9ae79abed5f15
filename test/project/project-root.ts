/** Where the checkout is, for the tests of the project itself: they run its tools as a person would. */
import { fileURLToPath } from 'node:url'

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url))
