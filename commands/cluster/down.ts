/** `knhk cluster down`: `knhk down` under the name of what it stops. */
import Down from '../down.js'

export default class ClusterDown extends Down {
  static override summary = 'Stop all nodes of a local cluster, as `knhk down` does.'
  static override examples = ['<%= config.bin %> cluster down --dir ./demo --json']
}
