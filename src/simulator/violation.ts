/** A promise that was broken in a simulation. It is thrown: nothing after it means anything. */
export class InvariantViolation extends Error {
  readonly invariant: string

  constructor(invariant: string, detail: string) {
    super(detail)
    this.invariant = invariant
  }
}
