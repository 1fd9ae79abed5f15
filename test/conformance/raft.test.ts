/** Shows that a cluster of raft keeps what every protocol owes its users: the whole conformance suite. */
import { conformanceTests } from './conformance.js'

conformanceTests({ protocol: 'raft', nodes: 3 })
