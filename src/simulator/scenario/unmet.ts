/** A story did not go as it is told: an expectation that does not hold, or a step that is not possible. */
export class Unmet extends Error {
  /** Where the complaint is more exact than the step's own line. */
  readonly line: number | null

  constructor(message: string, line: number | null = null) {
    super(message)
    this.line = line
  }
}
