/** Shows that a cluster of hotstuff keeps what every protocol owes its users: the whole conformance suite. */
import { conformanceTests } from './conformance.js'

conformanceTests({ protocol: 'hotstuff', nodes: 4 })
