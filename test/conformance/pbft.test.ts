/** Shows that a cluster of pbft keeps what every protocol owes its users: the whole conformance suite. */
import { conformanceTests } from './conformance.js'

conformanceTests({ protocol: 'pbft', nodes: 4 })
