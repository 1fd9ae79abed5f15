/** The environment variables that say which cluster, apart from the code that reads files. */
export const TARGET_VARIABLES = {
  dir: 'KNHK_DIR',
  context: 'KNHK_CONTEXT',
  cluster: 'KNHK_CLUSTER',
  key: 'KNHK_KEY',
  endpoints: 'KNHK_ENDPOINTS',
} as const
